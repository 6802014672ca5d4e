//! A request of a client that has said who it is.

use std::sync::Arc;

use axum::extract::Request;
use countersign_domain::integration::{Integration, IntegrationKind};
use countersign_domain::sid::ServiceSid;
use countersign_verify::OpenedIntegration;
use countersign_verify::concurrency::RequestPermit;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::credentials::ClientCredentials;
use super::door::OpenIdDoor;
use super::form::Form;
use super::refusal::Refusal;
use crate::client;

/// A request of a client.
pub(super) struct ClientRequest {
    /// The client, with its secret.
    opened: Arc<OpenedIntegration>,
    /// Its parameters.
    pub(super) form: Form,
    /// The place of the request among those in progress.
    pub(super) place: Option<Arc<RequestPermit>>,
}

impl ClientRequest {
    /// The client.
    pub(super) fn client(&self) -> &Integration {
        &self.opened.integration
    }

    /// Reads a request at the issuer of `service`, and checks who sends it.
    ///
    /// # Errors
    /// The request is no form, or its client is none of this service.
    pub(super) async fn read(
        door: &OpenIdDoor,
        service: &str,
        request: Request,
    ) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        check_content_type(&parts)?;
        let form = Form::parse(&Form::body(body).await?)?;
        let credentials = ClientCredentials::read(&parts.headers, &form)?;
        let service: Option<ServiceSid> = service.parse().ok();
        let is_client = |opened: &OpenedIntegration| {
            credentials.has(&opened.secret) && Some(opened.integration.service) == service
        };
        let client = (IntegrationKind::OpenId, &*credentials.id);
        let opened = client::authenticated(&door.verify, &parts, client, is_client).await?;
        let place = parts.extensions.get::<Arc<RequestPermit>>().cloned();
        Ok(Self { opened, form, place })
    }
}

fn check_content_type(parts: &Parts) -> Result<(), Refusal> {
    let kind = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let is_form = kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded");
    let why = "the content type must be application/x-www-form-urlencoded";
    if is_form { Ok(()) } else { Err(Refusal::InvalidRequest(why)) }
}
