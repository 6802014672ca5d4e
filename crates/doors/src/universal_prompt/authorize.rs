//! `authorize`: leads a browser that an application sends to the sign-in page. It is sent to no address that the integration is not
//! registered with.

use axum::response::{IntoResponse as _, Response};
use countersign_domain::integration::IntegrationKind;
use http::header::{CACHE_CONTROL, LOCATION};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::authorize_claims::{AuthorizeClaims, is_nonce};
use super::door::UniversalPromptDoor;
use super::jwt;
use crate::openid::Form;
use crate::sign_in::request::{Back, Named, SignInRequest};

/// The reason why a browser is sent nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoWay {
    /// No integration has signed the request, or it is too old.
    Unsigned,
    /// The request is signed, and cannot be answered.
    Unsound,
    /// The integration is not registered with this address.
    Elsewhere,
    /// The database cannot be reached.
    Unavailable,
}

impl NoWay {
    /// A text for the person, and for those who set the client up.
    pub(super) fn response(self) -> Response {
        let (status, text) = match self {
            Self::Unsigned => (
                StatusCode::BAD_REQUEST,
                "The request is of no client of this server, or is too old. Go back to where you wanted to sign in, and begin again.\n",
            ),
            Self::Unsound => (
                StatusCode::BAD_REQUEST,
                "The request lacks the scope, the state or the user, or has another response_type than code.\n",
            ),
            Self::Elsewhere => (
                StatusCode::BAD_REQUEST,
                "The redirect_uri is none of those that the integration is registered with.\n",
            ),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "The server cannot check this now.\n")
            }
        };
        unstored((status, text).into_response())
    }
}

/// Leads the browser of a request to the page.
///
/// # Errors
/// Nobody may be sent anywhere.
pub(super) async fn lead(door: &UniversalPromptDoor, parts: &Parts) -> Result<Response, NoWay> {
    let query = parts.uri.query().unwrap_or_default();
    let form = Form::parse(query.as_bytes()).map_err(|_| NoWay::Unsigned)?;
    let text = |name| form.text(name).map_err(|_| NoWay::Unsound);
    let key = text("client_id")?.unwrap_or_default();
    let found = door.verify.named_integration(&[IntegrationKind::Duo], key).await;
    let opened = found.map_err(unavailable)?.ok_or(NoWay::Unsigned)?;
    let asked: Option<AuthorizeClaims> =
        jwt::read(text("request")?.unwrap_or_default(), &opened.secret);
    let now = door.verify.time().await.map_err(unavailable)?.as_seconds();
    let is_own =
        |asked: &AuthorizeClaims| asked.is_of(key, now) && door.is_audience(parts, "", &asked.aud);
    let asked = asked.filter(is_own).ok_or(NoWay::Unsigned)?;
    let nonce = text("nonce")?;
    if !asked.is_sound() || nonce.is_some_and(|nonce| !is_nonce(nonce)) {
        return Err(NoWay::Unsound);
    }
    if !opened.integration.settings.duo_redirect_uris.has(&asked.redirect_uri) {
        return Err(NoWay::Elsewhere);
    }
    let back = Back::UniversalPrompt {
        redirect_uri: asked.redirect_uri,
        state: asked.state,
        nonce: nonce.map(str::to_owned),
        is_duo_code: asked.use_duo_code_attribute,
    };
    let mut request = SignInRequest::new(&door.verify, opened.integration.key, back);
    request.named = Named::Vouched(asked.duo_uname);
    let place = HeaderValue::try_from(request.page(&door.verify, &door.public_url));
    let place = place.map_err(|_| NoWay::Unsound)?;
    Ok(unstored((StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response()))
}

fn unavailable(error: impl std::fmt::Display) -> NoWay {
    tracing::warn!(%error, "a request could not be checked");
    NoWay::Unavailable
}

fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
