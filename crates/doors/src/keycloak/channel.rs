//! The address that Keycloak posts questions to.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use countersign_domain::challenge::Field;
use countersign_domain::integration::IntegrationKind;
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::text::Message;
use countersign_domain::time::Instant;
use countersign_verify::backchannel::{BackchannelQuestion, ClientCall};
use countersign_verify::challenges::NewChallenge;
use countersign_verify::{OpenedIntegration, Verify, VerifyError};
use countersign_web::body::whole;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use url::form_urlencoded;

use super::bearer::Bearer;
use super::question::Question;
use crate::openid::Refusal;
use crate::person::{Person, wanted_presence};
use crate::{binding, client};

/// The largest body, in bytes.
const BODY_MAX: usize = 16 * 1024;
/// Where a realm takes answers, behind its issuer.
const CALLBACK: &str = "/protocol/openid-connect/ext/ciba/auth/callback";

/// The door.
pub struct KeycloakDoor {
    verify: Arc<Verify>,
}

impl KeycloakDoor {
    /// Creates the door.
    pub const fn new(verify: Arc<Verify>) -> Self {
        Self { verify }
    }
}

/// The path of the door, ready to be merged with the API.
pub fn router(door: &Arc<KeycloakDoor>) -> Router {
    Router::new().route("/keycloak/{key}/ciba", post(serve)).with_state(Arc::clone(door))
}

/// Nothing but 201 counts as taken.
async fn serve(
    State(door): State<Arc<KeycloakDoor>>,
    Path(key): Path<String>,
    request: Request,
) -> Response {
    match ask(&door.verify, &key, request).await {
        Ok(()) => StatusCode::CREATED.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn ask(verify: &Verify, key: &str, request: Request) -> Result<(), Refusal> {
    let (parts, body) = request.into_parts();
    let opened = authenticated(verify, key, &parts).await?;
    let bearer = bearer(verify, &opened, &parts.headers).await?;
    let broken = Refusal::InvalidRequest("the body is too large, or did not arrive");
    let body = whole(body, BODY_MAX).await.map_err(|_| broken)?;
    let question = Question::parse(&body)?;
    let client = &opened.integration;
    let identity = client.identity(&question.login_hint).map_err(|_| Refusal::UnknownUser)?;
    let person = Person::find(verify, (client.account, client.service), identity).await?;
    let wanted = wanted_presence(verify, client).await?;
    let presence = binding::presence(question.binding_message.as_ref(), false, &wanted)?;
    let devices = person.devices(binding::must_take_numbers(&presence));
    let seconds = client.settings.prompt_seconds.into();
    let expires_at = verify.now() + Duration::from_secs(seconds);
    let ends_at = expires_at.min(bearer.expires_at);
    let asked = BackchannelQuestion {
        identity: &person.identity,
        devices: &devices.ok_or(Refusal::UnknownUser)?,
        new: &challenge(&opened, &question, &bearer, ends_at, presence),
        call: Some(ClientCall {
            url: format!("{}{CALLBACK}", bearer.issuer),
            bearer: bearer.text.to_owned(),
            handle: None,
        }),
        once: Some(bearer.text),
        until: Some(bearer.expires_at),
    };
    match verify.ask_by_backchannel(client, asked).await {
        Ok(_) => Ok(()),
        // The token was used before.
        Err(VerifyError::Conflict) => Err(Refusal::InvalidToken),
        Err(error) => Err(error.into()),
    }
}

/// The integration with this key, whose secret the query holds.
async fn authenticated(
    verify: &Verify,
    key: &str,
    parts: &Parts,
) -> Result<Arc<OpenedIntegration>, Refusal> {
    let mut query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let secret = query.find(|(name, _)| name == "secret").unwrap_or_default().1;
    let is_right = |opened: &OpenedIntegration| {
        let (given, right) = (secret.as_bytes(), opened.secret.expose().as_bytes());
        aws_lc_rs::constant_time::verify_slices_are_equal(given, right).is_ok()
    };
    let client = (IntegrationKind::Keycloak, key);
    Ok(client::authenticated(verify, parts, client, is_right).await?)
}

/// The token of a request: of an issuer of the integration, and not expired.
async fn bearer<'a>(
    verify: &Verify,
    opened: &OpenedIntegration,
    headers: &'a HeaderMap,
) -> Result<Bearer<'a>, Refusal> {
    let bearer = Bearer::of(headers).ok_or(Refusal::InvalidToken)?;
    let now = verify.time().await.map_err(VerifyError::from)?;
    let is_known = opened.integration.settings.keycloak_issuers.has(&bearer.issuer);
    if is_known && now < bearer.expires_at { Ok(bearer) } else { Err(Refusal::InvalidToken) }
}

/// The challenge as the person sees it.
fn challenge(
    opened: &OpenedIntegration,
    question: &Question,
    bearer: &Bearer<'_>,
    ends_at: Instant,
    presence: PresenceWish,
) -> NewChallenge {
    let name = &opened.integration.settings.friendly_name;
    let mut fields = vec![Field::shortened("User", &question.login_hint)];
    fields.extend(bearer.client.as_deref().map(|client| Field::shortened("Client", client)));
    fields.extend(binding::field(question.binding_message.as_ref(), &presence));
    NewChallenge {
        expires_at: Some(ends_at),
        message: Message::written(format!("Log in to {name}?")).ok(),
        fields,
        hidden_details: None,
        code: None,
        presence,
    }
}
