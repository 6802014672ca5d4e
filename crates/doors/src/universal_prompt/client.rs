//! A request of a client that has said who it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use countersign_domain::integration::IntegrationKind;
use countersign_domain::time::Instant;
use countersign_verify::concurrency::RequestPermit;
use countersign_verify::{AuthError, OpenedIntegration};
use countersign_web::body::{BodyError, whole};
use http::request::Parts;

use super::assertion::Assertion;
use super::door::UniversalPromptDoor;
use super::jwt;
use crate::openid::{Form, Refusal};

/// The largest body, in bytes.
const BODY_MAX: usize = 16 * 1024;

/// The parameters of a request: some clients write them into the query, others into the body.
///
/// # Errors
/// The body does not arrive, or there are too many parameters.
pub(super) async fn form(request: Request) -> Result<(Parts, Form), Refusal> {
    let (parts, body) = request.into_parts();
    let body = whole(body, BODY_MAX).await.map_err(|error| match error {
        BodyError::TooLarge => Refusal::InvalidRequest("the body is too large"),
        BodyError::Late => Refusal::InvalidRequest("the body did not arrive in time"),
        BodyError::Broken => Refusal::InvalidRequest("the body broke off"),
    })?;
    let mut text = parts.uri.query().unwrap_or_default().as_bytes().to_vec();
    text.push(b'&');
    text.extend_from_slice(&body);
    let form = Form::parse(&text)?;
    Ok((parts, form))
}

/// A client that has said who it is.
#[derive(Debug)]
pub(super) struct Client {
    /// The integration, with its secret.
    pub(super) opened: Arc<OpenedIntegration>,
    /// The assertion by which it did.
    pub(super) assertion: Assertion,
}

impl Client {
    /// The client of a request to this endpoint.
    ///
    /// # Errors
    /// The parameters name none, or [`AuthError`].
    pub(super) async fn of(
        door: &UniversalPromptDoor,
        parts: &Parts,
        form: &Form,
    ) -> Result<Result<Self, AuthError>, Refusal> {
        let id = form.required("client_id", "client_id is missing")?;
        let text = form.required("client_assertion", "client_assertion is missing")?;
        let place = parts.extensions.get::<Arc<RequestPermit>>();
        if let Some(place) = place {
            place.begin_credential_check();
        }
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let from = from.map(|ConnectInfo(address)| address.ip());
        let (now, path) = (door.verify.now().as_seconds(), parts.uri.path());
        let mut assertion = None;
        let is_signed = |opened: &OpenedIntegration| {
            let read: Option<Assertion> = jwt::read(text, &opened.secret);
            let is_own =
                |read: &Assertion| read.is_of(id, now) && door.is_audience(parts, path, &read.aud);
            assertion = read.filter(is_own);
            assertion.is_some()
        };
        let kind = IntegrationKind::Duo;
        let opened = door.verify.authenticate_integration(from, kind, id, is_signed).await;
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(place) = place {
            let busy = Refusal::Busy(Duration::from_secs(1));
            place.assign_to_account(opened.integration.account).map_err(|_| busy)?;
        }
        let assertion = assertion.ok_or(Refusal::InvalidClient)?;
        Ok(Ok(Self { opened, assertion }))
    }

    /// Uses the assertion up.
    ///
    /// # Errors
    /// It was used before.
    pub(super) async fn use_up(&self, door: &UniversalPromptDoor) -> Result<(), Refusal> {
        let Assertion { jti, .. } = &self.assertion;
        let until = Instant::from_seconds(self.assertion.ends());
        let is_first = door.verify.use_assertion(&self.opened.integration, jti, until).await?;
        if is_first { Ok(()) } else { Err(Refusal::InvalidClient) }
    }
}
