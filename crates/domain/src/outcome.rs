//! The outcome of an attempt, and what follows from it.
//!
//! [`after_attempt`] alone decides what follows. It is a pure and total function, apart from the code that makes attempts.

use std::time::Duration;

use crate::address::Platform;
use crate::attempt_record::AttemptRecord;
use crate::backoff;
use crate::delivery::Delivery;
use crate::ending::{Ending, ErrorCode, StatusReason};
use crate::time::Instant;

/// An attempt that has ended, with the push service's own description for its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The outcome.
    pub outcome: Outcome,
    /// The status of the push service's response.
    pub provider_status: Option<u16>,
    /// The push service's reason, at most 256 characters.
    pub provider_reason: Option<String>,
    /// The error code, if the attempt failed.
    pub code: Option<ErrorCode>,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The push service accepted the push.
    Accepted,
    /// The device acknowledged it on its stream.
    Acknowledged,
    /// It was written to the device's stream and not acknowledged in time.
    Unacknowledged,
    /// The device is not present.
    Offline,
    /// The push service does not know the address. The address is deleted if it was registered before `since`.
    Gone {
        /// Since when, if the push service says so.
        since: Option<Instant>,
    },
    /// The push may succeed later.
    Later {
        /// The earliest time that the push service asked for.
        not_before: Option<Instant>,
    },
    /// The push service refused the payload or the credential: a retry cannot succeed.
    Refused {
        /// Whether every push with this credential will be refused.
        breaks_credential: bool,
    },
}

impl Outcome {
    /// The word in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Acknowledged => "acknowledged",
            Self::Unacknowledged => "unacknowledged",
            Self::Offline => "offline",
            Self::Gone { .. } => "gone",
            Self::Later { .. } => "later",
            Self::Refused { .. } => "refused",
        }
    }
}

impl Attempt {
    /// An attempt without a push service's description.
    pub const fn plain(outcome: Outcome, code: Option<ErrorCode>) -> Self {
        Self { outcome, provider_status: None, provider_reason: None, code }
    }

    /// The record of the attempt.
    pub fn record(&self, platform: Platform, started_at: Instant, took: Duration) -> AttemptRecord {
        AttemptRecord {
            started_at_micros: started_at.as_micros(),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            platform: platform.as_str().to_owned(),
            outcome: self.outcome.as_str().to_owned(),
            provider_status: self.provider_status,
            provider_reason: self.provider_reason.clone(),
            code: self.code,
        }
    }
}

/// The consequence of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterAttempt {
    /// The delivery ends.
    Done(Ending),
    /// The delivery waits for the device.
    Park,
    /// Another attempt is made.
    Retry {
        /// When: before the deadline; or at the deadline, if none can be made before it, so that the delivery ends there.
        at: Instant,
    },
}

/// How long before the deadline the last attempt starts, if backoff alone would miss the deadline.
const LAST_ATTEMPT: Duration = Duration::from_secs(1);
/// With less than twice that time left, the next attempt starts after half of the time left, if that is at least this long.
const SHORTEST_DELAY: Duration = Duration::from_millis(200);

/// When to retry after a failure at `now`, if the push service does not ask for a time: after `backoff`, or sooner if that would
/// miss the deadline. The deadline itself if it is too near for another attempt.
fn next_attempt(now: Instant, backoff: Duration, deadline: Instant) -> Instant {
    let left = deadline.since(now);
    let delay = backoff.min(left.saturating_sub(LAST_ATTEMPT).max(left / 2));
    if delay < SHORTEST_DELAY { deadline } else { now + delay }
}

/// Decides what follows from an attempt that ended at `now`. `jitter` is a random number.
pub fn after_attempt(
    delivery: &Delivery,
    attempt: &Attempt,
    now: Instant,
    jitter: u32,
) -> AfterAttempt {
    let failed = |reason, default| {
        AfterAttempt::Done(Ending::failed(reason, attempt.code.unwrap_or(default)))
    };
    match attempt.outcome {
        Outcome::Accepted => AfterAttempt::Done(Ending::SENT),
        Outcome::Acknowledged => AfterAttempt::Done(Ending::DELIVERED),
        Outcome::Unacknowledged if delivery.once => AfterAttempt::Done(Ending::SENT),
        Outcome::Offline if delivery.once => {
            failed(StatusReason::DeviceOffline, ErrorCode::NO_DESTINATION)
        }
        Outcome::Unacknowledged | Outcome::Offline if now < delivery.deadline => AfterAttempt::Park,
        Outcome::Unacknowledged | Outcome::Offline => AfterAttempt::Done(Ending::EXPIRED),
        Outcome::Gone { .. } => failed(StatusReason::AddressGone, ErrorCode::NO_DESTINATION),
        Outcome::Refused { .. } => failed(StatusReason::Refused, ErrorCode::INTERNAL),
        Outcome::Later { .. } if delivery.once => {
            failed(StatusReason::AttemptFailed, ErrorCode::INTERNAL)
        }
        Outcome::Later { .. } if now >= delivery.deadline => AfterAttempt::Done(Ending::EXPIRED),
        Outcome::Later { not_before } => {
            let backoff = backoff::delay(delivery.attempts.saturating_add(1), jitter);
            let ours = next_attempt(now, backoff, delivery.deadline);
            let at = not_before.map_or(ours, |wanted| wanted.max(ours));
            AfterAttempt::Retry { at: at.min(delivery.deadline) }
        }
    }
}

#[cfg(test)]
mod tests;
