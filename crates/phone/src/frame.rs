//! The words of the device stream, without a socket: text in, meaning out.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::close::timestamp;
use crate::error::Error;

/// The server knows the device now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Linked {
    /// The factor, `YF…`.
    pub factor_sid: String,
    /// The server's time.
    #[serde(deserialize_with = "timestamp")]
    pub server_time: Timestamp,
    /// How often the server pings, in seconds.
    pub ping_seconds: u32,
}

/// A challenge that wants an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Prompt {
    /// The notification, `NT…`: what is acknowledged.
    pub notification_sid: String,
    /// The challenge, `YC…`: what is answered.
    pub challenge_sid: String,
    /// The factor, `YF…`.
    pub factor_sid: String,
    /// The question.
    pub message: String,
    /// After this it must not be shown.
    #[serde(deserialize_with = "timestamp")]
    pub expires_at: Timestamp,
}

/// A frame from the server, once it has sent its nonce.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Linked(Linked),
    Prompt(Prompt),
    /// A type that a later server may know; a device ignores it.
    Unknown,
}

impl Frame {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Error::malformed(format!("a frame that is not JSON: {error}")))?;
        let parsed = match value["type"].as_str() {
            Some("linked") => serde_json::from_value(value).map(Self::Linked),
            Some("verify_push_challenge") => serde_json::from_value(value).map(Self::Prompt),
            Some(_) => Ok(Self::Unknown),
            None => return Err(Error::malformed("a frame without a type")),
        };
        parsed.map_err(|error| Error::malformed(format!("a frame: {error}")))
    }
}

/// The nonce: 32 hexadecimal digits.
pub(crate) fn nonce(text: &str) -> Result<&str, Error> {
    match text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text),
        false => Err(Error::malformed("a first frame that is no nonce")),
    }
}

/// The frame that says "I have it".
pub(crate) fn ack(notification_sid: &str) -> String {
    json!({"type": "ack", "notification_sid": notification_sid}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_read_and_unknown_members_are_ignored() {
        let text = r#"{"type":"verify_push_challenge","notification_sid":"NT1","challenge_sid":"YC1",
            "factor_sid":"YF1","message":"Log in?","expires_at":"2026-11-22T10:02:30.512Z","new":1}"#;
        let Frame::Prompt(prompt) = Frame::parse(text).unwrap() else {
            panic!("not a prompt");
        };
        assert_eq!(prompt.message, "Log in?");
        assert_eq!(prompt.expires_at.as_millisecond() % 1000, 512);
    }

    #[test]
    fn an_unknown_type_is_no_error_and_no_type_is_one() {
        assert_eq!(Frame::parse(r#"{"type":"weather"}"#).unwrap(), Frame::Unknown);
        for bad in ["", "[]", "{}", r#"{"type":"linked"}"#, r#"{"type":1}"#] {
            assert!(matches!(Frame::parse(bad), Err(Error::Malformed(_))), "{bad}");
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
