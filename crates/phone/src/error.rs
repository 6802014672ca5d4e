//! Everything that can go wrong for a phone, as data.

use std::fmt;

use serde_json::Value;
use thiserror::Error as ThisError;
use tokio_tungstenite::tungstenite;

use crate::close::Closed;
use crate::status::ChallengeStatus;

/// Why the phone could not do what it was asked.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The server refused, in the API's own words.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Something answered that does not speak this API: a proxy, or another program.
    #[error("the server answered {status} without the API's error body")]
    NotTheApi {
        /// The HTTP status.
        status: u16,
    },
    /// No answer: connection refused, TLS failure, timeout.
    #[error("the server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The server said something that the mobile SDKs would not understand either.
    #[error("the server's answer is malformed: {0}")]
    Malformed(String),

    /// The server closed the stream, or refused to open it.
    #[error("the stream was closed: {0}")]
    Closed(Closed),
    /// The stream broke without a close.
    #[error("the stream broke")]
    Socket(#[source] Box<tungstenite::Error>),
    /// The server has been silent for much longer than it promised.
    #[error("the server has gone silent")]
    Silent,

    /// The challenge is not pending; the phone does not ask the server.
    #[error("the challenge is {0}, not pending")]
    NotPending(ChallengeStatus),
    /// The server did not say which fields an answer must sign.
    #[error("the challenge came without the list of fields to sign")]
    NotSignable,
    /// A field that an answer must sign is not in the challenge.
    #[error("the challenge has no field {0} to sign")]
    FieldToSignMissing(String),
    /// The challenge or the prompt is another factor's.
    #[error("this is for factor {0}, which is not ours")]
    WrongFactor(String),
    /// The server took the answer, and the challenge then still reads otherwise.
    #[error("the challenge was answered and still reads {0}")]
    NotUpdated(ChallengeStatus),

    /// The address of the server, or the CA given for it, cannot be used.
    #[error("the server's address cannot be used: {0}")]
    Address(String),
    /// The device key cannot be used.
    #[error("the device key {0}")]
    Key(&'static str),
    /// The phone's file cannot be read or written.
    #[error("the phone's file cannot be used")]
    File(#[from] std::io::Error),
}

/// The API's error body. It is shown whole: the message, what is wrong with which parameter, and where to read on.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[error("{message} ({code}, HTTP {status}){}{}", Details(.details.as_ref()), More(.more_info.as_deref()))]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The API's own code, as 60318.
    pub code: i64,
    /// What the API says about it.
    pub message: String,
    /// More, when the API gives it.
    pub details: Option<Value>,
    /// Where the code is explained, when the API says so.
    pub more_info: Option<String>,
}

/// `: Ttl must be 0 to 300`, or nothing. Other members than parameter and reason are shown as JSON.
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

impl Error {
    /// The API's own code, if it was the API that refused.
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

impl From<tungstenite::Error> for Error {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_shown_with_its_reason_and_where_to_read_on() {
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
