//! A received message, and the checks of FCM and of the app.

use serde_json::{Map, Value};

use crate::listener::HttpRequest;
use crate::payload::names_a_challenge;

use super::refusal::{Error, Refusal};

/// The longest payload, in bytes.
const LONGEST_PAYLOAD: usize = 4096;
/// The longest TTL, in seconds: four weeks.
const LONGEST_TTL: f64 = 2_419_200.0;

/// A received message.
#[derive(Debug, Clone)]
pub struct Message {
    /// The registration token; empty if absent.
    pub token: String,
    /// The data for the app.
    pub data: Map<String, Value>,
    /// `android.priority`, in capitals.
    pub priority: Option<String>,
    /// `android.ttl`, as sent.
    pub ttl: Option<String>,
    /// `android.collapse_key`.
    pub collapse_key: Option<String>,
    /// Whether it was only to be validated.
    pub validate_only: bool,
    /// The body; null if it is not JSON.
    pub body: Value,
    /// The access token.
    pub access_token: Option<String>,
    /// The number of its connection.
    pub connection: u64,
    /// The time of arrival, in Unix seconds.
    pub at: i64,
    /// The status of the response; `None` without one.
    pub status: Option<u16>,
    /// The reason of its refusal.
    pub error: Option<Error>,
}

impl Message {
    pub(super) fn read(request: &HttpRequest, at: i64) -> Self {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let message = &body["message"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let android = &message["android"];
        Self {
            token: text(&message["token"]).unwrap_or_default(),
            data: message["data"].as_object().cloned().unwrap_or_default(),
            priority: text(&android["priority"]).map(|word| word.to_ascii_uppercase()),
            ttl: text(&android["ttl"]),
            collapse_key: text(&android["collapse_key"]),
            validate_only: body["validate_only"] == true,
            access_token: request
                .header("authorization")
                .and_then(|value| value.strip_prefix("Bearer "))
                .map(str::to_owned),
            connection: request.connection.id,
            at,
            status: None,
            error: None,
            body,
        }
    }

    /// Whether it was accepted.
    pub fn is_accepted(&self) -> bool {
        self.status == Some(200)
    }

    pub(super) fn check(&self) -> Result<(), Refusal> {
        let malformed = |field, fault| Err(Refusal::malformed(field, fault));
        let Some(body) = self.body.as_object() else {
            return malformed("message", "The body is not a JSON object.");
        };
        only(body, "", &["message", "validate_only"])?;
        if body.get("validate_only").is_some_and(|value| !value.is_boolean()) {
            return malformed("validate_only", "Not a boolean.");
        }
        let Some(message) = self.body["message"].as_object() else {
            return malformed("message", "Not an object.");
        };
        if message.contains_key("notification") {
            // FCM accepts it, but Android then shows it without passing the data to the app.
            return malformed("message.notification", "A challenge must be a data-only message.");
        }
        only(message, "message.", &["token", "data", "android", "apns", "webpush", "fcm_options"])?;
        if self.token.is_empty() {
            return malformed("message.token", "Recipient of the message is not set.");
        }
        self.check_data(message)?;
        self.check_android(message.get("android"))
    }

    fn check_data(&self, message: &Map<String, Value>) -> Result<(), Refusal> {
        let malformed = |fault| Err(Refusal::malformed("message.data", fault));
        if !message.get("data").is_some_and(Value::is_object) {
            return malformed("Not an object.");
        }
        let mut length = 0;
        for (key, value) in &self.data {
            let Some(value) = value.as_str() else {
                return malformed("Every value must be a string.");
            };
            let is_reserved = ["from", "message_type"].contains(&key.as_str())
                || ["google", "gcm"].iter().any(|prefix| key.starts_with(prefix));
            if is_reserved {
                return malformed("Invalid data payload key.");
            }
            length += key.len() + value.len();
        }
        if length > LONGEST_PAYLOAD {
            return malformed("Message is too big.");
        }
        if !names_a_challenge(&self.body["message"]["data"]) {
            return malformed("The app needs type, challenge_sid and factor_sid.");
        }
        Ok(())
    }

    fn check_android(&self, android: Option<&Value>) -> Result<(), Refusal> {
        let malformed = |field, fault| Err(Refusal::malformed(field, fault));
        let Some(android) = android else {
            return Ok(());
        };
        let Some(android) = android.as_object() else {
            return malformed("message.android", "Not an object.");
        };
        only(android, "message.android.", &["priority", "ttl", "collapse_key", "direct_boot_ok"])?;
        if android.contains_key("priority")
            && !matches!(self.priority.as_deref(), Some("NORMAL" | "HIGH"))
        {
            return malformed("message.android.priority", "Neither NORMAL nor HIGH.");
        }
        if android.contains_key("ttl") && !self.ttl.as_deref().is_some_and(is_duration) {
            return malformed("message.android.ttl", "Not a duration of at most four weeks.");
        }
        if android.contains_key("collapse_key") && self.collapse_key.is_none() {
            return malformed("message.android.collapse_key", "Not a string.");
        }
        Ok(())
    }
}

/// Whether a text is a duration: decimal seconds with up to nine fraction digits, and an `s`.
fn is_duration(text: &str) -> bool {
    let Some(number) = text.strip_suffix('s') else {
        return false;
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    are_digits(whole)
        && are_digits(fraction)
        && fraction.len() <= 9
        && number.parse::<f64>().is_ok_and(|seconds| seconds <= LONGEST_TTL)
}

/// Refuses members that are not in `known`.
fn only(object: &Map<String, Value>, path: &str, known: &[&str]) -> Result<(), Refusal> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Refusal::malformed(&format!("{path}{key}"), "Unknown name.")),
    }
}
