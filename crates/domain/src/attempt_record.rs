//! The record of an attempt, as it is stored and shown.

use serde::{Deserialize, Serialize};

use crate::address::Platform;
use crate::ending::ErrorCode;
use crate::time::Instant;

/// The record of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// When it started, in microseconds since 1970.
    pub started_at_micros: i64,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// The factor's platform at that time.
    pub platform: String,
    /// `accepted`, `acknowledged`, `unacknowledged`, `offline`, `gone`, `later` or `refused`.
    pub outcome: String,
    /// The status of the push service's response, if there was one.
    pub provider_status: Option<u16>,
    /// The push service's own description.
    pub provider_reason: Option<String>,
    /// The error code, if the attempt failed.
    pub code: Option<ErrorCode>,
}

impl AttemptRecord {
    /// When it started.
    pub fn started_at(&self) -> Instant {
        Instant::from_micros(self.started_at_micros)
    }

    /// The platform; `None` for a word of a newer version.
    pub fn platform(&self) -> Option<Platform> {
        self.platform.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_a_newer_version_can_be_read() {
        let record = AttemptRecord {
            started_at_micros: 1_700_000_000_000_000,
            micros: 1,
            platform: "pigeon".into(),
            outcome: "taken".into(),
            provider_status: None,
            provider_reason: None,
            code: None,
        };
        assert_eq!(record.platform(), None);
        assert_eq!(record.started_at(), Instant::from_seconds(1_700_000_000));
        let known = AttemptRecord { platform: "webpush".into(), ..record };
        assert_eq!(known.platform(), Some(Platform::WebPush));
    }
}
