//! Reasons for the end of a device stream: the table of close codes in `docs/integrate/device.md`.

use std::borrow::Cow;

use countersign_domain::time::Instant;
use countersign_verify::AuthError;
use serde::Serialize;

use super::frames::FrameError;
use crate::error::ApiError;

/// A close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    /// The code, by which a device decides how to proceed.
    pub(super) code: u16,
    /// The reason: text for people, or JSON for the device if it is rejected.
    pub(super) reason: Cow<'static, str>,
}

/// The reason of a rejection, as JSON.
#[derive(Serialize)]
struct Refusal<'a> {
    code: u32,
    message: &'a str,
    server_time: Instant,
}

/// Reason for the end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The server closes it.
    Close(Close),
    /// The device closed it and expects a close frame.
    Left,
    /// The connection is broken or blocked, so nothing can be sent.
    Lost,
}

impl Close {
    pub(super) const STOPPING: Self = Self::new(1001, "the server stops: reconnect");
    pub(super) const OLD: Self = Self::new(1001, "this connection is old: reconnect");
    pub(super) const SILENT: Self = Self::new(1001, "the device was silent: reconnect");
    pub(super) const DETACHED: Self = Self::new(1001, "the device was detached: reconnect");
    pub(super) const VIOLATION: Self = Self::new(1002, "violation of the WebSocket protocol");
    pub(super) const BINARY: Self = Self::new(1003, "only text messages are allowed");
    pub(super) const NOT_UTF8: Self = Self::new(1007, "not UTF-8");
    pub(super) const TOO_LARGE: Self = Self::new(1009, "at most 4096 bytes");
    pub(super) const OVERLOADED: Self = Self::new(1013, "overloaded: reconnect later");
    pub(super) const SUSPENDED: Self = Self::new(1013, "not available now: reconnect later");
    pub(super) const TOO_OFTEN: Self = Self::new(1013, "connected more than once a second");
    pub(super) const DISMISSED: Self =
        Self::new(4404, "the factor is deleted or has another platform");
    pub(super) const REPLACED: Self = Self::new(4409, "replaced by a newer connection");

    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// Rejects the device, with code and text of the API's error table.
    pub(super) fn refused(error: impl Into<ApiError>, now: Instant) -> Self {
        let (code, message) = error.into().code_and_text();
        let reason = serde_json::to_string(&Refusal { code, message, server_time: now })
            .unwrap_or_else(|_| unreachable!("texts and numbers can be printed"));
        Self { code: 4401, reason: Cow::Owned(reason) }
    }

    /// The close frame after a token was rejected. If the error is the server's, the device must not conclude that it is
    /// unknown.
    pub(super) fn after(fault: AuthError, now: Instant) -> Self {
        match fault {
            AuthError::Store(_) | AuthError::TooManyRequests | AuthError::TooManyFailures(_) => {
                Self::OVERLOADED
            }
            // A rejection would make the device delete its key.
            AuthError::Suspended => Self::SUSPENDED,
            fault => Self::refused(fault, now),
        }
    }
}

impl From<FrameError> for Close {
    fn from(fault: FrameError) -> Self {
        match fault {
            FrameError::TooLong => Self::TOO_LARGE,
            FrameError::NotJson => Self::new(1007, "not a JSON object"),
            FrameError::Unknown => Self::new(1002, "not a frame of this protocol"),
        }
    }
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::device_token::DeviceTokenError;
    use countersign_store::StoreError;

    use super::*;
    use crate::rows;

    #[test]
    fn a_rejection_contains_code_message_and_time() {
        let at = Instant::from_seconds(1_795_341_600);
        let close = Close::after(DeviceTokenError::Signature.into(), at);
        assert_eq!(close.code, 4401);
        assert_eq!(
            close.reason,
            r#"{"code":20151,"message":"Authentication Failed","server_time":"2026-11-22T10:00:00Z"}"#
        );
    }

    #[test]
    fn every_rejection_fits_into_a_close_frame() {
        for row in rows::ALL.iter().copied().filter(|row| row.code < 30_000) {
            // RFC 6455 §5.5, less the two bytes of the code.
            assert!(Close::refused(row, Instant::default()).reason.len() <= 123, "{}", row.code);
        }
    }

    #[test]
    fn an_error_of_the_server_is_no_rejection() {
        let fault = AuthError::Store(StoreError::Unavailable("gone".into()));
        assert_eq!(Close::after(fault, Instant::default()), Close::OVERLOADED);
        assert_eq!(Close::after(AuthError::TooManyRequests, Instant::default()).code, 1013);
        assert_eq!(Close::after(AuthError::Suspended, Instant::default()), Close::SUSPENDED);
    }
}
