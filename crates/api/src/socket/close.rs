//! How a device stream ends: the close table of `docs/device-stream.md`.

use std::borrow::Cow;

use countersign_domain::time::Instant;
use serde::Serialize;

use super::frames::NoFrame;

/// What a close frame has room for (RFC 6455 §5.5, less the two bytes of the code).
const LONGEST_REASON: usize = 123;

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
    pub(super) const TOO_OFTEN: Self = Self::new(1013, "connected more than once a second");
    pub(super) const DISMISSED: Self = Self::new(4404, "the factor is gone or does not stream");
    pub(super) const REPLACED: Self = Self::new(4409, "a newer connection took over");

    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// The device is not who it would have to be. `code` and `message` are of the API's error table.
    pub(super) fn refused(code: u32, message: &str, now: Instant) -> Self {
        let print = |message| {
            serde_json::to_string(&Refusal { code, message, server_time: now })
                .unwrap_or_else(|_| unreachable!("texts and numbers can be printed"))
        };
        let mut reason = print(message);
        if reason.len() > LONGEST_REASON {
            // The code says it all; a reason that does not fit would break the frame.
            reason = print("");
        }
        Self { code: 4401, reason: Cow::Owned(reason) }
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
    use super::*;

    #[test]
    fn a_refusal_says_code_message_and_time() {
        let at = Instant::from_seconds(1_795_341_600);
        let close = Close::refused(20151, "Authentication Failed", at);
        assert_eq!(close.code, 4401);
        assert_eq!(
            close.reason,
            r#"{"code":20151,"message":"Authentication Failed","server_time":"2026-11-22T10:00:00Z"}"#
        );
    }

    #[test]
    fn every_reason_fits_into_a_close_frame() {
        let at = Instant::from_seconds(0);
        let longest = Close::refused(20157, "Expiration Time Exceeds Maximum Time Allowed", at);
        assert!(longest.reason.contains("Exceeds"));
        for message in ["\u{1}".repeat(40), "x".repeat(500), "é".repeat(61)] {
            let close = Close::refused(20151, &message, at);
            assert!(close.reason.len() <= LONGEST_REASON);
            assert!(serde_json::from_str::<serde_json::Value>(&close.reason).is_ok());
        }
    }
}
