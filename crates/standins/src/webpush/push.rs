//! A received push, and the checks of its headers.

use serde_json::Value;

use crate::listener::HttpRequest;

use super::rejection::Rejection;
use super::vapid::ApplicationServer;

/// The longest body, in bytes: the longest that every service must accept (RFC 8030, section 7.2).
const LONGEST_BODY: usize = 4096;
/// The longest topic, in characters.
const LONGEST_TOPIC: usize = 32;

/// A received push.
#[derive(Debug, Clone)]
pub struct Push {
    /// The subscription, from the path.
    pub subscription: String,
    /// `TTL`, if it is a number.
    pub ttl: Option<u64>,
    /// `Urgency`.
    pub urgency: Option<String>,
    /// `Topic`.
    pub topic: Option<String>,
    /// The decrypted payload; null if decryption failed.
    pub payload: Value,
    /// The length of the body in bytes.
    pub length: usize,
    /// The application server, after verification.
    pub server: Option<ApplicationServer>,
    /// The number of its connection.
    pub connection: u64,
    /// The time of arrival, in Unix seconds.
    pub at: i64,
    /// The status of the response; `None` without one.
    pub status: Option<u16>,
    /// The reason of its refusal.
    pub refusal: Option<&'static str>,
}

impl Push {
    pub(super) fn read(request: &HttpRequest, at: i64) -> Self {
        let text = |name: &str| request.header(name).map(str::to_owned);
        Self {
            subscription: request.uri.path().strip_prefix("/push/").unwrap_or_default().to_owned(),
            ttl: request.header("ttl").and_then(seconds),
            urgency: text("urgency"),
            topic: text("topic"),
            payload: Value::Null,
            length: request.body.len(),
            server: None,
            connection: request.connection.id,
            at,
            status: None,
            refusal: None,
        }
    }

    /// Whether it was accepted.
    pub fn is_accepted(&self) -> bool {
        self.status == Some(201)
    }

    pub(super) fn check_headers(&self, request: &HttpRequest) -> Result<(), Rejection> {
        if self.ttl.is_none() {
            return Err((400, "TTL is missing, or not a number of seconds"));
        }
        let urgency = self.urgency.as_deref().unwrap_or("normal");
        if !["very-low", "low", "normal", "high"].contains(&urgency) {
            return Err((400, "Urgency is none of the four"));
        }
        let is_topic = |topic: &String| {
            (1..=LONGEST_TOPIC).contains(&topic.len())
                && topic.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if !self.topic.as_ref().is_none_or(is_topic) {
            return Err((400, "Topic is not up to 32 characters of base64url"));
        }
        if self.length > LONGEST_BODY {
            return Err((413, "the body is longer than 4096 bytes"));
        }
        if request.header("content-encoding") != Some("aes128gcm") {
            return Err((400, "Content-Encoding is not aes128gcm"));
        }
        Ok(())
    }
}

fn seconds(text: &str) -> Option<u64> {
    // `parse` would also accept a plus sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
