//! A received push, and Apple's checks of it.

use serde_json::Value;

use crate::listener::HttpRequest;
use crate::random;

use super::keys::Pusher;
use super::reason::Reason;

/// The longest payload, in bytes.
const LONGEST_PAYLOAD: usize = 4096;
/// The longest collapse id, in bytes.
const LONGEST_COLLAPSE_ID: usize = 64;
const TYPES: [&str; 11] = [
    "alert",
    "background",
    "complication",
    "controls",
    "fileprovider",
    "liveactivity",
    "location",
    "mdm",
    "pushtotalk",
    "voip",
    "widgets",
];
/// Headers that may occur once.
const SINGLE_HEADERS: [&str; 7] = [
    "authorization",
    "apns-topic",
    "apns-push-type",
    "apns-priority",
    "apns-expiration",
    "apns-collapse-id",
    "apns-id",
];

/// A received push.
#[derive(Debug, Clone)]
pub struct Push {
    /// The device's token, from the path.
    pub token: String,
    /// `apns-id`; generated if the request has none.
    pub id: String,
    /// `apns-topic`.
    pub topic: Option<String>,
    /// `apns-push-type`.
    pub push_type: Option<String>,
    /// `apns-priority`, if it is a number.
    pub priority: Option<u8>,
    /// `apns-expiration`, if it is a number.
    pub expiration: Option<i64>,
    /// `apns-collapse-id`.
    pub collapse_id: Option<String>,
    /// The body; null if it is not JSON.
    pub payload: Value,
    /// The length of the body in bytes.
    pub length: usize,
    /// The key that signed the provider token, after verification.
    pub key_id: Option<String>,
    /// The provider token.
    pub provider_token: Option<String>,
    /// The number of its connection.
    pub connection: u64,
    /// The time of arrival, in Unix seconds.
    pub at: i64,
    /// The status of the response; `None` without one.
    pub status: Option<u16>,
    /// The reason of its refusal.
    pub reason: Option<Reason>,
}

impl Push {
    pub(super) fn read(request: &HttpRequest, at: i64) -> Self {
        let text = |name: &str| request.header(name).map(str::to_owned);
        let path = request.uri.path();
        let bearer = request.header("authorization").and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        });
        Self {
            token: path.strip_prefix("/3/device/").unwrap_or_default().to_owned(),
            id: text("apns-id").unwrap_or_else(random::uuid),
            topic: text("apns-topic"),
            push_type: text("apns-push-type"),
            priority: request.header("apns-priority").and_then(|value| value.parse().ok()),
            expiration: request.header("apns-expiration").and_then(|value| value.parse().ok()),
            collapse_id: text("apns-collapse-id"),
            payload: serde_json::from_slice(&request.body).unwrap_or_default(),
            length: request.body.len(),
            key_id: None,
            provider_token: bearer,
            connection: request.connection.id,
            at,
            status: None,
            reason: None,
        }
    }

    /// Whether it was accepted.
    pub fn is_accepted(&self) -> bool {
        self.status == Some(200)
    }
}

/// Checks before authentication.
pub(super) fn check_request(request: &HttpRequest) -> Result<(), Reason> {
    let Some(token) = request.uri.path().strip_prefix("/3/device/") else {
        return Err(Reason::BadPath);
    };
    if request.method != http::Method::POST {
        return Err(Reason::MethodNotAllowed);
    }
    if token.is_empty() {
        return Err(Reason::MissingDeviceToken);
    }
    if SINGLE_HEADERS.iter().any(|name| request.headers.get_all(*name).iter().nth(1).is_some()) {
        return Err(Reason::DuplicateHeaders);
    }
    Ok(())
}

/// Checks headers and payload. An optional header may be absent.
pub(super) fn check_push(
    request: &HttpRequest,
    push: &Push,
    pusher: &Pusher,
) -> Result<(), Reason> {
    if !is_device_token(&push.token) {
        return Err(Reason::BadDeviceToken);
    }
    check_topic(push.topic.as_deref(), pusher)?;
    let push_type = push.push_type.as_deref().unwrap_or_default();
    if !TYPES.contains(&push_type) {
        return Err(Reason::InvalidPushType);
    }
    let has = |name: &str| request.headers.contains_key(name);
    match push.priority {
        None if has("apns-priority") => return Err(Reason::BadPriority),
        // A background push must not have priority 10.
        Some(10) | None if push_type == "background" => return Err(Reason::BadPriority),
        None | Some(1 | 5 | 10) => {}
        Some(_) => return Err(Reason::BadPriority),
    }
    if has("apns-expiration") && push.expiration.is_none_or(|seconds| seconds < 0) {
        return Err(Reason::BadExpirationDate);
    }
    if push.collapse_id.as_ref().is_some_and(|id| id.len() > LONGEST_COLLAPSE_ID) {
        return Err(Reason::BadCollapseId);
    }
    if !is_uuid(&push.id) {
        return Err(Reason::BadMessageId);
    }
    match push.length {
        0 => Err(Reason::PayloadEmpty),
        length if length > LONGEST_PAYLOAD => Err(Reason::PayloadTooLarge),
        _ if is_complete(&push.payload)
            && (push_type != "background" || is_silent(&push.payload)) =>
        {
            Ok(())
        }
        _ => Err(Reason::PayloadIncomplete),
    }
}

fn check_topic(topic: Option<&str>, pusher: &Pusher) -> Result<(), Reason> {
    match topic {
        // A certificate implies the topic, a key does not.
        None if pusher.key_id.is_none() => Ok(()),
        None => Err(Reason::MissingTopic),
        Some(topic) if topic.is_empty() || topic.contains(char::is_whitespace) => {
            Err(Reason::BadTopic)
        }
        Some(topic) if pusher.topics.is_empty() || pusher.topics.iter().any(|own| own == topic) => {
            Ok(())
        }
        Some(_) => Err(Reason::TopicDisallowed),
    }
}

/// Every well-formed token has a device, except the one of zeros, which dry runs use as an unknown token.
fn is_device_token(text: &str) -> bool {
    (64..=200).contains(&text.len())
        && text.len().is_multiple_of(2)
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte != b'0')
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Whether the payload has what a background push needs, and nothing that an iPhone would show. Apple delivers such a push or not
/// without a reason; the stand-in refuses it, so that a test notices.
fn is_silent(payload: &Value) -> bool {
    let aps = &payload["aps"];
    aps["content-available"] == 1
        && ["alert", "sound", "badge"].iter().all(|shown| aps.get(shown).is_none())
}

/// Whether the payload has what the official sample apps need.
fn is_complete(payload: &Value) -> bool {
    payload["aps"].is_object() && crate::payload::names_a_challenge(payload)
}
