//! A request of a client that has said who it is.

use std::sync::Arc;

use axum::extract::Request;
use countersign_domain::integration::IntegrationKind;
use countersign_domain::time::Instant;
use countersign_verify::{AuthError, OpenedIntegration};
use http::request::Parts;

use super::assertion::Assertion;
use super::door::UniversalPromptDoor;
use super::jwt;
use crate::client::authenticated;
use crate::openid::{Form, Refusal};

/// A request of somebody who says to be a client.
pub(super) struct ClientRequest {
    parts: Parts,
    /// Its parameters: some clients write them into the query, others into the body.
    pub(super) form: Form,
    id: String,
    assertion: String,
}

impl ClientRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// The body does not arrive, there are too many parameters, or they name no client.
    pub(super) async fn read(request: Request) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let body = Form::body(body).await?;
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let form = Form::parse(&[query, b"&", &*body].concat())?;
        let id = form.required("client_id", "client_id is missing")?.to_owned();
        let missing = "client_assertion is missing";
        let assertion = form.required("client_assertion", missing)?.to_owned();
        Ok(Self { parts, form, id, assertion })
    }

    /// The client, if it has signed the assertion for this endpoint.
    ///
    /// # Errors
    /// [`AuthError`].
    pub(super) async fn client(&self, door: &UniversalPromptDoor) -> Result<Client, AuthError> {
        let (now, path) = (door.verify.time().await?.as_seconds(), self.parts.uri.path());
        let mut assertion = None;
        let is_signed = |opened: &OpenedIntegration| {
            let is_own = |read: &Assertion| {
                read.is_of(&self.id, now) && door.is_audience(&self.parts, path, &read.aud)
            };
            assertion = jwt::read(&self.assertion, &opened.secret).filter(is_own);
            assertion.is_some()
        };
        let client = (IntegrationKind::Duo, &*self.id);
        let opened = authenticated(&door.verify, &self.parts, client, is_signed).await?;
        let assertion = assertion.ok_or(AuthError::Unknown)?;
        Ok(Client { opened, assertion })
    }
}

/// A client that has said who it is.
pub(super) struct Client {
    /// The integration, with its secret.
    pub(super) opened: Arc<OpenedIntegration>,
    /// The assertion by which it did.
    pub(super) assertion: Assertion,
}

impl Client {
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
