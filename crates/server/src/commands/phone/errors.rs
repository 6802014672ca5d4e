//! Errors of the phone in words for a person.

use anyhow::anyhow;
use countersign_phone::{Closed, PhoneError};

use super::screen::plain;

/// Explains an error in one line. The server states the reason of a refused stream in JSON; a broken connection has
/// several causes.
pub(super) fn explain(error: PhoneError) -> anyhow::Error {
    match error {
        PhoneError::Closed(closed) => match closed.refusal() {
            Some(refusal) => {
                let message = plain(&refusal.message);
                anyhow!("the server refused the stream: {message} ({})", refusal.code)
            }
            None if closed.code == Closed::REPLACED => {
                anyhow!("this phone has connected elsewhere: {closed}")
            }
            None => PhoneError::Closed(closed).into(),
        },
        PhoneError::Unreachable(cause) => {
            let cause = anyhow::Error::from(cause);
            anyhow!("the server cannot be reached: {}", cause.root_cause())
        }
        PhoneError::Api(error) => anyhow!("the server refused: {}", plain(&error.to_string())),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_stream_is_explained() {
        let reason =
            r#"{"code":20003,"message":"Authenticate","server_time":"2026-11-22T10:00:00Z"}"#;
        let closed = Closed { code: Closed::REFUSED, reason: reason.into() };
        let text = explain(PhoneError::Closed(closed)).to_string();
        assert_eq!(text, "the server refused the stream: Authenticate (20003)");
    }
}
