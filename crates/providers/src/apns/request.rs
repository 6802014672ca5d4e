//! A request to Apple, with all its headers (wire reference §5.2).

use countersign_domain::outcome::Attempt;
use countersign_domain::prospect::Push;
use countersign_domain::sid::NotificationSid;
use countersign_domain::time::Instant;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};

use crate::apns::payload::payload;
use crate::codes;
use crate::connections::{Connections, Held};
use crate::keyed::refused;

/// What differs between the requests of one attempt.
pub(super) struct Sending<'a> {
    /// Where to.
    pub(super) connections: &'a Connections,
    /// Over which connection.
    pub(super) held: &'a Held<'a>,
    /// With which token, unless the connection itself says who we are.
    pub(super) bearer: Option<&'a str>,
    /// With the beginning of the question only.
    pub(super) short: bool,
    /// When.
    pub(super) now: Instant,
}

/// The request, or why there can be none.
pub(super) fn request(
    push: &Push,
    topic: &str,
    sending: &Sending<'_>,
) -> Result<RequestBuilder, Attempt> {
    let token = push.target.address.token();
    let token =
        token.ok_or_else(|| refused(codes::APNS_TOKEN, "there is no device token to send to"))?;
    let topic = HeaderValue::from_str(topic)
        .map_err(|_| refused(codes::APNS_TOPIC, "the app id cannot be a topic"))?;
    let request = sending
        .held
        .client
        .post(sending.connections.url(&["3", "device", token.expose()]))
        .header("apns-topic", topic)
        .header("apns-push-type", "alert")
        .header("apns-priority", "10")
        .header("apns-expiration", expiration(push, sending.now))
        .header("apns-collapse-id", push.challenge.to_string())
        .header("apns-id", apns_id(push.notification))
        .header(CONTENT_TYPE, "application/json")
        .body(payload(push, sending.short));
    let Some(bearer) = sending.bearer else { return Ok(request) };
    let mut bearer = HeaderValue::try_from(format!("bearer {bearer}"))
        .map_err(|_| refused(codes::INTERNAL, "the provider token cannot be sent"))?;
    bearer.set_sensitive(true);
    Ok(request.header(AUTHORIZATION, bearer))
}

/// Until when Apple may store it; 0 means: now or never.
fn expiration(push: &Push, now: Instant) -> i64 {
    if push.once {
        0
    } else {
        now.as_seconds().saturating_add_unsigned(push.remaining_seconds(now))
    }
}

/// The notification's SID as the UUID that Apple wants to see, so that a push can be found in Apple's own tools.
fn apns_id(notification: NotificationSid) -> String {
    let hex = notification.to_string();
    let hex = &hex[2..];
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
