//! The authorization endpoint (OpenID Connect Core section 3.1.2): checks a request, and leads the browser to the sign-in page. A
//! browser is sent to no address that the client is not registered with.

use axum::response::{IntoResponse as _, Response};
use countersign_domain::integration::{Integration, IntegrationKind};
use countersign_domain::sid::ServiceSid;
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, StatusCode};

use super::authorize_request::{AuthorizeRequest, state};
use super::door::OpenIdDoor;
use super::form::Form;
use crate::query::with_query;
use crate::sign_in::request::{Back, Named, SignInRequest};

/// The reason why a browser is sent nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoWay {
    /// The request is none.
    Malformed,
    /// No client of the service has this id.
    UnknownClient,
    /// The client is not registered with this address.
    Elsewhere,
    /// The database cannot be reached.
    Unavailable,
}

impl NoWay {
    /// A text for the person, and for those who set the client up.
    pub(super) fn response(self) -> Response {
        let (status, text) = match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "The request cannot be read.\n"),
            Self::UnknownClient => {
                (StatusCode::BAD_REQUEST, "No client of this service has this client_id.\n")
            }
            Self::Elsewhere => (
                StatusCode::BAD_REQUEST,
                "The redirect_uri is none of those that the client is registered with.\n",
            ),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "The server cannot check this now.\n")
            }
        };
        unstored((status, text).into_response())
    }
}

/// Leads the browser of a request on: to the page, or back to the client with a refusal.
///
/// # Errors
/// Nobody may be sent anywhere.
pub(super) async fn lead(
    door: &OpenIdDoor,
    service: &str,
    query: &[u8],
) -> Result<Response, NoWay> {
    let form = Form::parse(query).map_err(|_| NoWay::Malformed)?;
    let client = client(door, service, &form).await?;
    let redirect_uri = redirect_uri(&client, &form).ok_or(NoWay::Elsewhere)?;
    let issuer = door.issuer(client.service);
    let to = match AuthorizeRequest::parse(&form) {
        Ok(asked) => {
            let back = Back::OpenId {
                redirect_uri: redirect_uri.to_owned(),
                issuer,
                state: asked.state.map(str::to_owned),
                nonce: asked.nonce.map(str::to_owned),
                challenge: asked.challenge.to_owned(),
            };
            let mut request = SignInRequest::new(&door.verify, client.key, back);
            request.named =
                asked.hint.map_or(Named::Nobody, |hint| Named::Suggested(hint.to_owned()));
            request.must_enter_number = asked.must_enter_number;
            request.page(&door.verify, door.public_url())
        }
        Err((word, why)) => {
            let state = state(&form).ok().flatten().map(|state| ("state", state));
            let own = [("error", word), ("error_description", why), ("iss", &*issuer)];
            with_query(redirect_uri, own.into_iter().chain(state))
        }
    };
    let place = HeaderValue::try_from(to).map_err(|_| NoWay::Malformed)?;
    // A form that was posted is not posted on.
    Ok(unstored((StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response()))
}

/// The client of a request.
async fn client(door: &OpenIdDoor, service: &str, form: &Form) -> Result<Integration, NoWay> {
    let key = form.text("client_id").ok().flatten().ok_or(NoWay::UnknownClient)?;
    let found = door.verify.named_integration(&[IntegrationKind::OpenId], key).await;
    let opened = found.map_err(|error| {
        tracing::warn!(%error, "the client of a request could not be read");
        NoWay::Unavailable
    })?;
    let service: Option<ServiceSid> = service.parse().ok();
    let opened = opened.filter(|opened| Some(opened.integration.service) == service);
    opened.map(|opened| opened.integration.clone()).ok_or(NoWay::UnknownClient)
}

/// The address to which the browser goes back, if the client is registered with it.
fn redirect_uri<'f>(client: &Integration, form: &'f Form) -> Option<&'f str> {
    let uri = form.text("redirect_uri").ok().flatten()?;
    client.settings.openid.redirect_uris.has(uri).then_some(uri)
}

fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
