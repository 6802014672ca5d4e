//! Errors of the phone.

use std::fmt;

use serde_json::Value;
use thiserror::Error;
use tokio_tungstenite::tungstenite;

use crate::close::Closed;
use crate::status::ChallengeStatus;

/// Reason why an operation of the phone failed.
#[derive(Debug, Error)]
pub enum PhoneError {
    /// The API returned an error.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The response is not of this API, but of a proxy or another program.
    #[error("the server answered {status} without the API's error body")]
    NotTheApi {
        /// The HTTP status.
        status: u16,
    },
    /// No response: connection refused, TLS failure, timeout.
    #[error("the server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The mobile SDKs would reject the response, too.
    #[error("the server's response is malformed: {0}")]
    Malformed(String),

    /// The server closed the stream or refused to open it.
    #[error("the stream was closed: {0}")]
    Closed(Closed),
    /// The stream broke without a close frame.
    #[error("the stream broke")]
    Socket(#[source] Box<tungstenite::Error>),
    /// The server has been silent for longer than two pings.
    #[error("the server is silent")]
    Silent,

    /// The challenge is not pending. Detected without a request.
    #[error("the challenge is {0}, not pending")]
    NotPending(ChallengeStatus),
    /// Another device of the person has answered. Detected without a request.
    #[error("it was answered on another device")]
    AnsweredElsewhere,
    /// The server did not name the members that a verdict must sign.
    #[error("the challenge came without the list of fields to sign")]
    NotSignable,
    /// A member that a verdict must sign is missing.
    #[error("the challenge has no field {0} to sign")]
    FieldToSignMissing(String),
    /// The challenge or the prompt belongs to another factor.
    #[error("this is for factor {0}, which is not ours")]
    WrongFactor(String),
    /// The server accepted the verdict, but the challenge has another status.
    #[error("the challenge was answered, but its status is {0}")]
    NotUpdated(ChallengeStatus),

    /// The server's address or CA is invalid.
    #[error("the server's address cannot be used: {0}")]
    Address(String),
    /// The device key is invalid.
    #[error("the device key {0}")]
    Key(&'static str),
    /// The phone's file cannot be read or written.
    #[error("the phone's file cannot be used")]
    File(#[from] std::io::Error),
}

/// The API's error body. Displayed completely: the message, the parameter and the reason, and the URL of the documentation.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{message} ({code}, HTTP {status}){}{}", Details(.details.as_ref()), More(.more_info.as_deref()))]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The API's code, such as 60318.
    pub code: i64,
    /// The message.
    pub message: String,
    /// Further details, if any.
    pub details: Option<Value>,
    /// URL of the code's documentation, if any.
    pub more_info: Option<String>,
}

/// `: Ttl must be 0 to 300`, or nothing. Members other than parameter and reason are shown as JSON.
struct Details<'a>(Option<&'a Value>);

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |name| self.0.and_then(|details| details.get(name)).and_then(Value::as_str);
        match (self.0, text("parameter"), text("reason")) {
            (None | Some(Value::Null), ..) => Ok(()),
            (_, Some(parameter), Some(reason)) => write!(f, ": {parameter} {reason}"),
            (_, None, Some(reason)) => write!(f, ": {reason}"),
            (Some(details), _, None) => write!(f, ": {details}"),
        }
    }
}

/// `; see https://…`, or nothing.
struct More<'a>(Option<&'a str>);

impl fmt::Display for More<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |url| write!(f, "; see {url}"))
    }
}

impl PhoneError {
    /// The API's code, if the error is the API's.
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Api(error) => Some(error.code),
            _ => None,
        }
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed(what.into())
    }
}

impl From<tungstenite::Error> for PhoneError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_is_displayed_with_its_reason_and_url() {
        let error = |details, more_info: Option<&str>| {
            let message = "Invalid parameter: Ttl".to_owned();
            let more_info = more_info.map(str::to_owned);
            ApiError { status: 400, code: 60300, message, details, more_info }.to_string()
        };
        let plain = "Invalid parameter: Ttl (60300, HTTP 400)";
        assert_eq!(error(None, None), plain);
        let url = "https://www.twilio.com/docs/errors/60300";
        for (details, shown) in [
            (json!({"parameter": "Ttl", "reason": "must be 0 to 300"}), ": Ttl must be 0 to 300"),
            (json!({"reason": "too late"}), ": too late"),
            (json!({"other": 1}), r#": {"other":1}"#),
            (Value::Null, ""),
        ] {
            assert_eq!(error(Some(details), Some(url)), format!("{plain}{shown}; see {url}"));
        }
    }
}
