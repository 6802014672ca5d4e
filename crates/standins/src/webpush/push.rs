//! One push as it arrived, and whether its headers are right.

use serde_json::Value;

use crate::listener::Call;

use super::fault::Fault;
use super::vapid::ApplicationServer;

/// The longest body that every service must take, and that this one takes.
const BODY: usize = 4096;
/// The longest topic.
const TOPIC: usize = 32;

/// A push as it arrived.
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
    /// What was encrypted; null if it could not be opened.
    pub payload: Value,
    /// The length of the body in bytes.
    pub length: usize,
    /// Who pushed, once that was checked.
    pub server: Option<ApplicationServer>,
    /// Which connection it came on.
    pub connection: u64,
    /// When it came, in Unix seconds.
    pub at: i64,
    /// The answer's status; `None` if it gets no answer.
    pub status: Option<u16>,
    /// What is wrong with it.
    pub fault: Option<&'static str>,
}

impl Push {
    pub(super) fn read(call: &Call, at: i64) -> Self {
        let text = |name: &str| call.header(name).map(str::to_owned);
        Self {
            subscription: call.uri.path().strip_prefix("/push/").unwrap_or_default().to_owned(),
            ttl: call.header("ttl").and_then(seconds),
            urgency: text("urgency"),
            topic: text("topic"),
            payload: Value::Null,
            length: call.body.len(),
            server: None,
            connection: call.line.id,
            at,
            status: None,
            fault: None,
        }
    }

    /// Whether it was taken.
    pub fn is_accepted(&self) -> bool {
        self.status == Some(201)
    }

    pub(super) fn check_headers(&self, call: &Call) -> Result<(), Fault> {
        if self.ttl.is_none() {
            return Err((400, "TTL is missing, or not a number of seconds"));
        }
        let urgency = self.urgency.as_deref().unwrap_or("normal");
        if !["very-low", "low", "normal", "high"].contains(&urgency) {
            return Err((400, "Urgency is none of the four"));
        }
        let is_topic = |topic: &String| {
            (1..=TOPIC).contains(&topic.len())
                && topic.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if !self.topic.as_ref().is_none_or(is_topic) {
            return Err((400, "Topic is not up to 32 characters of base64url"));
        }
        if self.length > BODY {
            return Err((413, "the body is longer than 4096 bytes"));
        }
        if call.header("content-encoding") != Some("aes128gcm") {
            return Err((400, "Content-Encoding is not aes128gcm"));
        }
        Ok(())
    }
}

fn seconds(text: &str) -> Option<u64> {
    // `parse` would also take a plus sign
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
