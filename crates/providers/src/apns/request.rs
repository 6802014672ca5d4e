//! The request of one push to APNs, with all its headers (developer.apple.com: "Sending notification requests to APNs").

use countersign_domain::outcome::Attempt;
use countersign_domain::prospect::Push;
use countersign_domain::sid::NotificationSid;
use countersign_domain::time::Instant;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use uuid::Uuid;

use super::payload::payload;
use crate::codes;
use crate::connections::{ConnectionPool, PooledConnection};
use crate::credential_provider::refused;

/// The parts that differ between the requests of one attempt.
pub(super) struct RequestParts<'a> {
    /// The environment.
    pub(super) pool: &'a ConnectionPool,
    /// The connection.
    pub(super) connection: &'a PooledConnection<'a>,
    /// The provider token; `None` if the connection authenticates by certificate.
    pub(super) bearer: Option<&'a str>,
    /// Whether to send only the beginning of the message.
    pub(super) is_short: bool,
    /// The instant of sending.
    pub(super) now: Instant,
}

/// The request.
///
/// # Errors
/// The attempt of a push that cannot be sent.
pub(super) fn request(
    push: &Push,
    topic: &str,
    parts: &RequestParts<'_>,
) -> Result<RequestBuilder, Attempt> {
    let token = push.target.address.token();
    let token =
        token.ok_or_else(|| refused(codes::APNS_TOKEN, "the factor has no device token"))?;
    let topic = HeaderValue::from_str(topic)
        .map_err(|_| refused(codes::APNS_TOPIC, "the app id cannot be a topic"))?;
    let request = parts
        .connection
        .client
        .post(parts.pool.url(&["3", "device", token.expose()]))
        .header("apns-topic", topic)
        .header("apns-push-type", if push.manner.quiet { "background" } else { "alert" })
        .header("apns-priority", if push.manner.quiet { "5" } else { "10" })
        .header("apns-expiration", expiration(push, parts.now))
        .header("apns-collapse-id", push.challenge.to_string())
        .header("apns-id", apns_id(push.notification))
        .header(CONTENT_TYPE, "application/json")
        .body(payload(push, parts.is_short));
    let Some(bearer) = parts.bearer else { return Ok(request) };
    let mut bearer = HeaderValue::try_from(format!("bearer {bearer}"))
        .map_err(|_| refused(codes::INTERNAL, "the provider token cannot be sent"))?;
    bearer.set_sensitive(true);
    Ok(request.header(AUTHORIZATION, bearer))
}

/// The Unix time until which Apple may store the push; 0: Apple does not store it.
fn expiration(push: &Push, now: Instant) -> i64 {
    if push.once {
        0
    } else {
        now.as_seconds().saturating_add_unsigned(push.remaining_seconds(now))
    }
}

/// The notification's SID as a UUID, the form that Apple requires, so that a push can be found in Apple's own tools.
fn apns_id(notification: NotificationSid) -> String {
    Uuid::from_bytes(*notification.as_bytes()).to_string()
}
