//! One push as it arrived, and whether it is what Apple takes.

use serde_json::Value;

use crate::listener::Call;
use crate::random;

use super::keys::Pusher;
use super::reason::Reason;

/// The longest payload, in bytes.
const PAYLOAD: usize = 4096;
/// The longest collapse id, in bytes.
const COLLAPSE_ID: usize = 64;
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
/// Headers of which one is enough.
const ONCE: [&str; 7] = [
    "authorization",
    "apns-topic",
    "apns-push-type",
    "apns-priority",
    "apns-expiration",
    "apns-collapse-id",
    "apns-id",
];

/// A push as it arrived.
#[derive(Debug, Clone)]
pub struct Push {
    /// The device's token, from the path.
    pub token: String,
    /// `apns-id`: the caller's, or one of ours.
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
    /// The body; null if it is no JSON.
    pub payload: Value,
    /// The length of the body in bytes.
    pub length: usize,
    /// The key that signed the provider token, once that was checked.
    pub key_id: Option<String>,
    /// The provider token.
    pub provider_token: Option<String>,
    /// Which connection it came on.
    pub connection: u64,
    /// When it came, in Unix seconds.
    pub at: i64,
    /// The answer's status; `None` if it gets no answer.
    pub status: Option<u16>,
    /// Why it was refused.
    pub reason: Option<Reason>,
}

impl Push {
    pub(super) fn read(call: &Call, at: i64) -> Self {
        let text = |name: &str| call.header(name).map(str::to_owned);
        let path = call.uri.path();
        let bearer = call.header("authorization").and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        });
        Self {
            token: path.strip_prefix("/3/device/").unwrap_or_default().to_owned(),
            id: text("apns-id").unwrap_or_else(random::uuid),
            topic: text("apns-topic"),
            push_type: text("apns-push-type"),
            priority: call.header("apns-priority").and_then(|value| value.parse().ok()),
            expiration: call.header("apns-expiration").and_then(|value| value.parse().ok()),
            collapse_id: text("apns-collapse-id"),
            payload: serde_json::from_slice(&call.body).unwrap_or_default(),
            length: call.body.len(),
            key_id: None,
            provider_token: bearer,
            connection: call.line.id,
            at,
            status: None,
            reason: None,
        }
    }

    /// Whether it was taken.
    pub fn is_accepted(&self) -> bool {
        self.status == Some(200)
    }
}

/// What can be said before it is known who pushes.
pub(super) fn check_request(call: &Call) -> Result<(), Reason> {
    let Some(token) = call.uri.path().strip_prefix("/3/device/") else {
        return Err(Reason::BadPath);
    };
    if call.method != http::Method::POST {
        return Err(Reason::MethodNotAllowed);
    }
    if token.is_empty() {
        return Err(Reason::MissingDeviceToken);
    }
    if ONCE.iter().any(|name| call.headers.get_all(*name).iter().nth(1).is_some()) {
        return Err(Reason::DuplicateHeaders);
    }
    Ok(())
}

/// Headers and payload. A header that may be left out is right when it is.
pub(super) fn check_push(call: &Call, push: &Push, pusher: &Pusher) -> Result<(), Reason> {
    if !is_device_token(&push.token) {
        return Err(Reason::BadDeviceToken);
    }
    check_topic(push.topic.as_deref(), pusher)?;
    let push_type = push.push_type.as_deref().unwrap_or_default();
    if !TYPES.contains(&push_type) {
        return Err(Reason::InvalidPushType);
    }
    let has = |name: &str| call.headers.contains_key(name);
    match push.priority {
        None if has("apns-priority") => return Err(Reason::BadPriority),
        // what nobody sees may not hurry
        Some(10) | None if push_type == "background" => return Err(Reason::BadPriority),
        None | Some(1 | 5 | 10) => {}
        Some(_) => return Err(Reason::BadPriority),
    }
    if has("apns-expiration") && push.expiration.is_none_or(|seconds| seconds < 0) {
        return Err(Reason::BadExpirationDate);
    }
    if push.collapse_id.as_ref().is_some_and(|id| id.len() > COLLAPSE_ID) {
        return Err(Reason::BadCollapseId);
    }
    if !is_uuid(&push.id) {
        return Err(Reason::BadMessageId);
    }
    match push.length {
        0 => Err(Reason::PayloadEmpty),
        length if length > PAYLOAD => Err(Reason::PayloadTooLarge),
        _ if is_ours(&push.payload) => Ok(()),
        _ => Err(Reason::PayloadNotOurs),
    }
}

fn check_topic(topic: Option<&str>, pusher: &Pusher) -> Result<(), Reason> {
    match topic {
        // a certificate names the topic itself, a key does not
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

/// Any device is there, but for the one of zeros, which a dry run asks for since no device has that.
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

/// What the official sample apps need to open a challenge.
fn is_ours(payload: &Value) -> bool {
    payload["aps"].is_object() && crate::payload::names_a_challenge(payload)
}
