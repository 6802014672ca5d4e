//! How a device stream ends: the close table of `docs/integrate/device.md`.

use std::borrow::Cow;

use countersign_domain::time::Instant;
use countersign_verify::AuthError;
use serde::Serialize;

use super::frames::NoFrame;
use crate::error::ApiError;

/// A close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    /// The code, by which a device decides what to do.
    pub(super) code: u16,
    /// The reason, for people; of a refusal, JSON for the device.
    pub(super) reason: Cow<'static, str>,
}

/// The reason of a refusal.
#[derive(Serialize)]
struct Refusal<'a> {
    code: u32,
    message: &'a str,
    server_time: Instant,
}

/// Why a conversation ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// We end it, and say why.
    Close(Close),
    /// The device ended it; its close wants an answer.
    Left,
    /// Nothing more can be said: the connection broke, or takes nothing any more.
    Lost,
}

impl Close {
    pub(super) const STOPPING: Self = Self::new(1001, "the server stops: come back");
    pub(super) const OLD: Self = Self::new(1001, "this connection is old: come back");
    pub(super) const SILENT: Self = Self::new(1001, "nothing was heard: come back");
    pub(super) const LOST_HOLD: Self = Self::new(1001, "lost sight of this device: come back");
    pub(super) const VIOLATION: Self = Self::new(1002, "not the WebSocket protocol");
    pub(super) const BINARY: Self = Self::new(1003, "only text is understood");
    pub(super) const NOT_UTF8: Self = Self::new(1007, "not UTF-8");
    pub(super) const TOO_LARGE: Self = Self::new(1009, "at most 4096 bytes");
    pub(super) const OVERLOADED: Self = Self::new(1013, "overloaded: come back later");
    pub(super) const SUSPENDED: Self = Self::new(1013, "not now: come back later");
    pub(super) const TOO_OFTEN: Self = Self::new(1013, "connected more than once a second");
    pub(super) const DISMISSED: Self = Self::new(4404, "the factor is gone or does not stream");
    pub(super) const REPLACED: Self = Self::new(4409, "a newer connection took over");

    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// The device is not who it would have to be, as a row of the API's error table says it.
    pub(super) fn refused(error: impl Into<ApiError>, now: Instant) -> Self {
        let (code, message) = error.into().code_and_text();
        let reason = serde_json::to_string(&Refusal { code, message, server_time: now })
            .unwrap_or_else(|_| unreachable!("texts and numbers can be printed"));
        Self { code: 4401, reason: Cow::Owned(reason) }
    }

    /// What a device is told whose token was not good enough. Where the fault is ours it must not think that it is not
    /// known any more.
    pub(super) fn after(fault: AuthError, now: Instant) -> Self {
        match fault {
            AuthError::Store(_) | AuthError::TooManyRequests | AuthError::TooManyFailures(_) => {
                Self::OVERLOADED
            }
            // A refusal would make the device forget its key.
            AuthError::Suspended => Self::SUSPENDED,
            fault => Self::refused(fault, now),
        }
    }
}

impl From<NoFrame> for Close {
    fn from(fault: NoFrame) -> Self {
        match fault {
            NoFrame::TooLong => Self::TOO_LARGE,
            NoFrame::NotJson => Self::new(1007, "not a JSON object"),
            NoFrame::Unknown => Self::new(1002, "no frame of this protocol"),
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
    use countersign_domain::device_token::TokenFault;
    use countersign_store::StoreError;

    use super::*;
    use crate::rows;

    #[test]
    fn a_refusal_says_code_message_and_time() {
        let at = Instant::from_seconds(1_795_341_600);
        let close = Close::after(TokenFault::Signature.into(), at);
        assert_eq!(close.code, 4401);
        assert_eq!(
            close.reason,
            r#"{"code":20151,"message":"Authentication Failed","server_time":"2026-11-22T10:00:00Z"}"#
        );
    }

    #[test]
    fn every_refusal_fits_into_a_close_frame() {
        for row in rows::ALL.iter().copied().filter(|row| row.code < 30_000) {
            // RFC 6455 §5.5, less the two bytes of the code
            assert!(Close::refused(row, Instant::default()).reason.len() <= 123, "{}", row.code);
        }
    }

    #[test]
    fn a_fault_of_ours_is_no_refusal() {
        let fault = AuthError::Store(StoreError::Unavailable("gone".into()));
        assert_eq!(Close::after(fault, Instant::default()), Close::OVERLOADED);
        assert_eq!(Close::after(AuthError::TooManyRequests, Instant::default()).code, 1013);
        assert_eq!(Close::after(AuthError::Suspended, Instant::default()), Close::SUSPENDED);
    }
}
