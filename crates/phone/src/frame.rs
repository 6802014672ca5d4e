//! Frames of the device stream.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::close::timestamp;
use crate::error::PhoneError;
use crate::presence::Presence;

/// The server has authenticated the device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Linked {
    /// The factor, `YF…`.
    pub factor_sid: String,
    /// The server's time.
    #[serde(deserialize_with = "timestamp")]
    pub server_time: Timestamp,
    /// Interval of the server's pings in seconds.
    pub ping_seconds: u32,
}

/// A pending challenge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Prompt {
    /// The notification to acknowledge, `NT…`.
    pub notification_sid: String,
    /// The challenge to answer, `YC…`.
    pub challenge_sid: String,
    /// The factor, `YF…`.
    pub factor_sid: String,
    /// The question.
    pub message: String,
    /// Must not be shown after this.
    #[serde(deserialize_with = "timestamp")]
    pub expires_at: Timestamp,
    /// Must not sound, vibrate or wake.
    #[serde(default)]
    pub quiet: bool,
    /// The input that an approval needs.
    #[serde(default)]
    pub presence: Option<Presence>,
    /// `required`: an approval must sign that the person was verified.
    #[serde(default)]
    pub user_verification: Option<String>,
}

/// A challenge is over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ended {
    /// The challenge, `YC…`.
    pub challenge_sid: String,
    /// The factor, `YF…`.
    pub factor_sid: String,
    /// Why, such as `answered_elsewhere`.
    pub reason: String,
}

/// A frame of the server after its nonce.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Linked(Linked),
    Prompt(Prompt),
    Ended(Ended),
    /// An unknown type, which a newer server may use. Ignored.
    Unknown,
}

impl Frame {
    pub(crate) fn parse(text: &str) -> Result<Self, PhoneError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| PhoneError::malformed(format!("a frame that is not JSON: {error}")))?;
        let parsed = match value["type"].as_str() {
            Some("linked") => serde_json::from_value(value).map(Self::Linked),
            Some("verify_push_challenge") => serde_json::from_value(value).map(Self::Prompt),
            Some("challenge_ended") => serde_json::from_value(value).map(Self::Ended),
            Some(_) => Ok(Self::Unknown),
            None => return Err(PhoneError::malformed("a frame without a type")),
        };
        parsed.map_err(|error| PhoneError::malformed(format!("a frame: {error}")))
    }
}

/// The nonce: 32 hexadecimal digits.
pub(crate) fn nonce(text: &str) -> Result<&str, PhoneError> {
    match text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text),
        false => Err(PhoneError::malformed("a first frame that is no nonce")),
    }
}

/// The frame that acknowledges a notification.
pub(crate) fn ack(notification_sid: &str) -> String {
    json!({"type": "ack", "notification_sid": notification_sid}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_of_a_prompt_are_ignored() {
        let text = r#"{"type":"verify_push_challenge","notification_sid":"NT1","challenge_sid":"YC1",
            "factor_sid":"YF1","message":"Log in?","expires_at":"2026-11-22T10:02:30.512Z","new":1}"#;
        let Frame::Prompt(prompt) = Frame::parse(text).unwrap() else {
            panic!("not a prompt");
        };
        assert_eq!(prompt.message, "Log in?");
        assert_eq!(prompt.expires_at.as_millisecond() % 1000, 512);
    }

    #[test]
    fn an_unknown_type_is_ignored_and_a_missing_type_is_malformed() {
        assert_eq!(Frame::parse(r#"{"type":"weather"}"#).unwrap(), Frame::Unknown);
        for bad in ["", "[]", "{}", r#"{"type":"linked"}"#, r#"{"type":1}"#] {
            assert!(matches!(Frame::parse(bad), Err(PhoneError::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn a_nonce_is_32_hexadecimal_digits() {
        assert!(nonce("0123456789abcdef0123456789ABCDEF").is_ok());
        for bad in ["", "0123", "0123456789abcdef0123456789abcdeg"] {
            assert!(nonce(bad).is_err(), "{bad}");
        }
    }
}
