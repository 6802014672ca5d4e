//! The end of a device stream by the server.

use std::fmt;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A close frame of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The close code; 1005 if there was none, 1006 if the connection broke.
    pub code: u16,
    /// The reason in the close frame.
    pub reason: String,
}

/// The reason of a rejection, with close code 4401.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// A code of the API's error table.
    pub code: i64,
    /// The message of the error.
    pub message: String,
    /// The server's time, for a device with a wrong clock.
    #[serde(deserialize_with = "timestamp")]
    pub server_time: Timestamp,
}

impl Closed {
    /// The device was rejected.
    pub const REFUSED: u16 = 4401;
    /// The factor is deleted or has another platform.
    pub const GONE: u16 = 4404;
    /// A newer connection of the same factor replaced this one.
    pub const REPLACED: u16 = 4409;

    /// The reason of a rejection.
    pub fn refusal(&self) -> Option<Refusal> {
        match self.code {
            Self::REFUSED => serde_json::from_str(&self.reason).ok(),
            _ => None,
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_str() {
            "" => write!(f, "{}", self.code),
            reason => write!(f, "{} ({reason})", self.code),
        }
    }
}

/// Parses a time of the stream: RFC 3339.
pub(crate) fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_is_parsed_from_its_reason() {
        let reason = r#"{"code":20151,"message":"Authentication Failed","server_time":"2026-11-22T10:00:00Z"}"#;
        let closed = Closed { code: 4401, reason: reason.into() };
        let refusal = closed.refusal().unwrap();
        assert_eq!(refusal.code, 20151);
        assert_eq!(refusal.server_time.as_second(), 1_795_341_600);
        let other = Closed { code: 1001, reason: reason.into() };
        assert_eq!(other.refusal(), None);
    }
}
