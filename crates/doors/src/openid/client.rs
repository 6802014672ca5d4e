//! A request of a client that has said who it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use countersign_domain::integration::{Integration, IntegrationKind};
use countersign_domain::sid::ServiceSid;
use countersign_verify::OpenedIntegration;
use countersign_verify::concurrency::RequestPermit;
use countersign_web::body::{BodyError, whole};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::credentials::ClientCredentials;
use super::door::OpenIdDoor;
use super::form::Form;
use super::refusal::Refusal;

/// The largest body, in bytes.
const BODY_MAX: usize = 16 * 1024;

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
        let body = whole(body, BODY_MAX).await.map_err(|error| match error {
            BodyError::TooLarge => Refusal::InvalidRequest("the body is too large"),
            BodyError::Late => Refusal::InvalidRequest("the body did not arrive in time"),
            BodyError::Broken => Refusal::InvalidRequest("the body broke off"),
        })?;
        let form = Form::parse(&body)?;
        let credentials = ClientCredentials::read(&parts.headers, &form)?;
        let place = parts.extensions.get::<Arc<RequestPermit>>().cloned();
        if let Some(place) = &place {
            place.begin_credential_check();
        }
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let from = from.map(|ConnectInfo(address)| address.ip());
        let service: Option<ServiceSid> = service.parse().ok();
        let is_client = |opened: &OpenedIntegration| {
            credentials.has(&opened.secret) && Some(opened.integration.service) == service
        };
        let (kind, id) = (IntegrationKind::OpenId, &credentials.id);
        let opened = door.verify.authenticate_integration(from, kind, id, is_client).await?;
        if let Some(place) = &place {
            let busy = Refusal::Busy(Duration::from_secs(1));
            place.assign_to_account(opened.integration.account).map_err(|_| busy)?;
        }
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
