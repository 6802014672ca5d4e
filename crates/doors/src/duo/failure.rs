//! The refusals of the door: a code, whose first three digits are the status, and a message.
//!
//! A client that is set to fail open lets a person in after any of these. An action that a person may not do is therefore no
//! failure, but an answer that denies.

use std::time::Duration;

use http::StatusCode;

use super::document::Document;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A parameter is missing: its name.
    Missing(&'static str),
    /// A parameter, or the body, is invalid: its name.
    Invalid(&'static str),
    /// There is no readable `Authorization`.
    NoCredentials,
    /// No integration has this key, the signature is not its own, or it does not accept this kind of signature.
    BadSignature,
    /// The signed date is missing.
    NoDate,
    /// The signed date is too far from the server's.
    Date,
    /// The body is neither a form nor JSON.
    ContentType,
    /// The integration may not do this, or not from this network.
    NotPermitted,
    /// There is no such call, or nothing there.
    NothingThere,
    /// The call has another method.
    Method,
    /// The body did not arrive in time.
    Late,
    /// The body is too large.
    TooLarge,
    /// Too many requests, or too many bad signatures: when to try again.
    TooMany(Duration),
    /// A part of the server is not to be reached.
    Unavailable,
}

impl Failure {
    /// The code.
    pub(crate) const fn code(&self) -> u16 {
        match self {
            Self::Missing(_) => 40_001,
            Self::Invalid(_) => 40_002,
            Self::NoCredentials => 40_101,
            Self::BadSignature => 40_103,
            Self::NoDate => 40_104,
            Self::Date => 40_105,
            Self::ContentType => 40_106,
            Self::NotPermitted => 40_301,
            Self::NothingThere => 40_401,
            Self::Method => 40_501,
            Self::Late => 40_801,
            Self::TooLarge => 41_301,
            Self::TooMany(_) => 42_901,
            Self::Unavailable => 50_301,
        }
    }

    /// The status of the response.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code() / 100).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The seconds after which the client should try again.
    pub(crate) const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany(left) => Some(if left.as_secs() == 0 { 1 } else { left.as_secs() }),
            Self::Unavailable => Some(1),
            _ => None,
        }
    }

    const fn message(&self) -> &'static str {
        match self {
            Self::Missing(_) => "A required parameter is missing",
            Self::Invalid(_) => "A parameter is invalid",
            Self::NoCredentials => "Authorization must hold base64 of key:signature",
            Self::BadSignature => "No integration has this key and this signature",
            Self::NoDate => "The request has no date",
            Self::Date => "The date of the request is more than 300 seconds from the server's",
            Self::ContentType => "The body must be a form or JSON",
            Self::NotPermitted => "The integration may not do this, or not from this address",
            Self::NothingThere => "There is nothing at this path",
            Self::Method => "The call has another method",
            Self::Late => "The body did not arrive in time",
            Self::TooLarge => "The body is too large",
            Self::TooMany(_) => "Too many requests",
            Self::Unavailable => "The server cannot answer now",
        }
    }

    /// The body of the response.
    pub(crate) fn document(&self) -> Document {
        let document = Document::default()
            .with("stat", "FAIL")
            .with("code", i64::from(self.code()))
            .with("message", self.message());
        match self {
            Self::Missing(name) | Self::Invalid(name) => document.with("message_detail", *name),
            _ => document,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_beginning_of_the_code() {
        assert_eq!(Failure::Missing("user").status(), StatusCode::BAD_REQUEST);
        assert_eq!(Failure::BadSignature.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(Failure::TooMany(Duration::ZERO).status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(Failure::Unavailable.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(Failure::TooMany(Duration::ZERO).retry_after(), Some(1));
    }

    #[test]
    fn a_failure_names_the_parameter() {
        assert_eq!(
            String::from_utf8(Failure::Invalid("username").document().to_json()).unwrap(),
            r#"{"stat":"FAIL","code":40002,"message":"A parameter is invalid","message_detail":"username"}"#
        );
    }
}
