//! Authenticates the integrations that send requests, for every door that speaks HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use countersign_domain::integration::IntegrationKind;
use countersign_verify::concurrency::RequestPermit;
use countersign_verify::{AuthError, OpenedIntegration, Verify};
use http::request::Parts;

/// The integration of this kind and key that sends a request, whose secret has signed it as `is_signed` finds. The request counts among
/// those in progress of its account.
///
/// # Errors
/// Those of [`Verify::authenticate_integration`]; [`AuthError::TooManyRequests`] also if too many requests of the account are in progress.
pub(crate) async fn authenticated(
    verify: &Verify,
    parts: &Parts,
    (kind, key): (IntegrationKind, &str),
    is_signed: impl FnOnce(&OpenedIntegration) -> bool + Send,
) -> Result<Arc<OpenedIntegration>, AuthError> {
    let place = parts.extensions.get::<Arc<RequestPermit>>();
    if let Some(place) = place {
        place.begin_credential_check();
    }
    let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let from = from.map(|ConnectInfo(address)| address.ip());
    let opened = verify.authenticate_integration(from, kind, key, is_signed).await?;
    if let Some(place) = place {
        let account = opened.integration.account;
        place.assign_to_account(account).map_err(|_| AuthError::TooManyRequests)?;
    }
    Ok(opened)
}
