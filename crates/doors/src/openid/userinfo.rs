//! `userinfo`: the person of an access token.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::sid::ServiceSid;
use countersign_verify::concurrency::RequestPermit;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde_json::{Value, json};

use super::door::OpenIdDoor;
use super::refusal::Refusal;

/// The claims about the person of an access token.
///
/// # Errors
/// The token is none of this issuer, or is over.
pub(super) async fn claims(
    door: &OpenIdDoor,
    service: &str,
    request: &Parts,
) -> Result<Value, Refusal> {
    let header = request.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let (scheme, token) =
        header.and_then(|text| text.split_once(' ')).ok_or(Refusal::InvalidToken)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::InvalidToken);
    }
    let bearer = door.verify.openid_bearer(token).await?;
    let (opened, identity) = bearer.ok_or(Refusal::InvalidToken)?;
    if service.parse::<ServiceSid>().ok() != Some(opened.integration.service) {
        return Err(Refusal::InvalidToken);
    }
    let (account, busy) = (opened.integration.account, Refusal::Busy(Duration::from_secs(1)));
    if !door.verify.allows_request(account) {
        return Err(busy);
    }
    if let Some(place) = request.extensions.get::<Arc<RequestPermit>>() {
        place.assign_to_account(account).map_err(|_| busy)?;
    }
    Ok(json!({ "sub": identity }))
}
