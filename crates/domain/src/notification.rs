//! A notification: one push of a challenge, and what became of it (wire reference §2.5, §4.4).

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::Platform;
use crate::challenge::Challenge;
use crate::delivery::{DeliveryState, NodeId};
use crate::sid::{ChallengeSid, NotificationSid};
use crate::time::Instant;

/// The seconds that a notification may be valid. 0 means: one attempt, now or never.
pub const TTL: RangeInclusive<u16> = 0..=300;
/// The seconds it is valid if nothing else is asked for.
pub const DEFAULT_TTL: u16 = 300;
/// How long after its creation the one attempt of a notification of `Ttl=0` may still start.
pub const ONCE_WITHIN: Duration = Duration::from_secs(1);

/// The TTL of the push that a new challenge sends by itself: 300 seconds, or its lifetime if that is shorter. Rounded
/// up, since 0 would mean something else; the challenge's expiry bounds the delivery in any case.
pub fn automatic_ttl(challenge: &Challenge) -> u16 {
    let lifetime = challenge.expires_at.since(challenge.created_at).as_micros().div_ceil(1_000_000);
    u16::try_from(lifetime).unwrap_or(DEFAULT_TTL).clamp(1, DEFAULT_TTL)
}

/// From this instant on no attempt may start: the TTL has elapsed, or the challenge, at `expires_at`, has expired.
pub fn deadline(created_at: Instant, ttl: u16, expires_at: Instant) -> Instant {
    let valid = if ttl == 0 { ONCE_WITHIN } else { Duration::from_secs(ttl.into()) };
    (created_at + valid).min(expires_at)
}

/// Where a notification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Due or parked.
    Queued,
    /// An attempt runs.
    Sending,
    /// The push service took it, or it was written to a stream and is not acknowledged.
    Sent,
    /// The device has it.
    Delivered,
    /// It cannot be delivered.
    Failed,
    /// It was not delivered in time.
    Expired,
    /// It was no longer wanted.
    Cancelled,
}

impl Status {
    const ALL: [Self; 7] = [
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
    ];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// Why it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Queued: the first attempt has not started.
    Waiting,
    /// Queued: an attempt failed, another follows.
    Retrying,
    /// Queued, failed or expired: nobody holds the device's stream.
    DeviceOffline,
    /// Failed: the push service no longer knows the device.
    AddressGone,
    /// Failed: the push service will not take it, or there is no credential for it.
    Refused,
    /// Failed: the one attempt of a `Ttl=0` failed.
    AttemptFailed,
    /// Expired: no attempt was made in time, since no server ran or none had a place for it.
    NotAttempted,
    /// Cancelled: the challenge was answered.
    Answered,
    /// Cancelled: the factor, its entity or its service was deleted, or the factor's platform is `none` now.
    FactorGone,
    /// Cancelled: the device took a newer notification of the same challenge.
    Superseded,
}

impl Reason {
    const ALL: [Self; 10] = [
        Self::Waiting,
        Self::Retrying,
        Self::DeviceOffline,
        Self::AddressGone,
        Self::Refused,
        Self::AttemptFailed,
        Self::NotAttempted,
        Self::Answered,
        Self::FactorGone,
        Self::Superseded,
    ];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::DeviceOffline => "device_offline",
            Self::AddressGone => "address_gone",
            Self::Refused => "refused",
            Self::AttemptFailed => "attempt_failed",
            Self::NotAttempted => "not_attempted",
            Self::Answered => "answered",
            Self::FactorGone => "factor_gone",
            Self::Superseded => "superseded",
        }
    }

    /// Reads the word back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// A delivery error code (wire reference §1.6, second table).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Code(pub u32);

impl Code {
    /// Internal notification error.
    pub const INTERNAL: Self = Self(52_000);
    /// Invalid destination binding: nobody is there.
    pub const NO_DESTINATION: Self = Self(52_001);
    /// The service has no credential for the platform.
    pub const NO_CREDENTIAL: Self = Self(52_004);
    /// The TTL passed.
    pub const TTL_PASSED: Self = Self(52_310);
}

/// How a notification ended. Nothing leaves an ending, except that `sent` may still become `delivered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// `sent`, `delivered`, `failed`, `expired` or `cancelled`.
    pub status: Status,
    /// Why.
    pub reason: Option<Reason>,
    /// The code of a failure or an expiry.
    pub code: Option<Code>,
}

impl Ending {
    /// The push service took it; or it was written to the stream once and for all.
    pub const SENT: Self = Self { status: Status::Sent, reason: None, code: None };
    /// The device has it.
    pub const DELIVERED: Self = Self { status: Status::Delivered, reason: None, code: None };
    /// The deadline passed after at least one attempt; the attempts say why none got it there.
    pub const EXPIRED: Self =
        Self { status: Status::Expired, reason: None, code: Some(Code::TTL_PASSED) };
    /// The deadline passed before the first attempt.
    pub const NOT_ATTEMPTED: Self = Self {
        status: Status::Expired,
        reason: Some(Reason::NotAttempted),
        code: Some(Code::TTL_PASSED),
    };

    /// The deadline passed while nobody held the device's stream.
    pub const DEVICE_AWAY: Self = Self {
        status: Status::Expired,
        reason: Some(Reason::DeviceOffline),
        code: Some(Code::TTL_PASSED),
    };

    /// How a delivery ends that waited until its deadline: for its device, or for an attempt after that many.
    pub const fn overdue(waited_for_device: bool, attempts: u32) -> Self {
        match (waited_for_device, attempts) {
            (true, _) => Self::DEVICE_AWAY,
            (false, 0) => Self::NOT_ATTEMPTED,
            (false, _) => Self::EXPIRED,
        }
    }

    /// It cannot be delivered.
    pub const fn failed(reason: Reason, code: Code) -> Self {
        Self { status: Status::Failed, reason: Some(reason), code: Some(code) }
    }

    /// It is no longer wanted.
    pub const fn cancelled(reason: Reason) -> Self {
        Self { status: Status::Cancelled, reason: Some(reason), code: None }
    }
}

/// One attempt, as it is shown and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// When it started, in microseconds since 1970.
    pub started_at_micros: i64,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// The factor's platform at that moment.
    pub platform: String,
    /// `accepted`, `acknowledged`, `unacknowledged`, `offline`, `gone`, `later` or `refused`.
    pub outcome: String,
    /// The push service's status, where there was one.
    pub provider_status: Option<u16>,
    /// Its own words.
    pub provider_reason: Option<String>,
    /// Our code for it.
    pub code: Option<Code>,
}

impl AttemptRecord {
    /// When it started.
    pub fn started_at(&self) -> Instant {
        Instant::from_micros(self.started_at_micros)
    }

    /// The platform again as a value; `None` for a word of a newer version.
    pub fn platform(&self) -> Option<Platform> {
        self.platform.parse().ok()
    }
}

/// A notification with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its SID.
    pub sid: NotificationSid,
    /// What it tells of.
    pub challenge: ChallengeSid,
    /// Whether the challenge sent it by itself.
    pub automatic: bool,
    /// Seconds, as asked for.
    pub ttl: u16,
    /// When it was made.
    pub created_at: Instant,
    /// When anything about it last changed.
    pub updated_at: Instant,
    /// The process that made it.
    pub born_on: NodeId,
    /// How it ended, if it has.
    pub ending: Option<Ending>,
    /// Its delivery, if that is still to be done.
    pub delivery: Option<(DeliveryState, u32)>,
    /// What was tried, oldest first.
    pub attempts: Vec<AttemptRecord>,
}

impl Notification {
    /// Where it stands, as seen by the process `node`. A notification of `Ttl=0` has no delivery on record, so
    /// without an ending it is being sent by the process that made it, or was lost with that process.
    pub fn standing(&self, node: NodeId) -> Ending {
        let now = |status, reason| Ending { status, reason, code: None };
        match (self.ending, self.delivery) {
            (Some(ending), _) => ending,
            (None, Some((DeliveryState::Parked, _))) => {
                now(Status::Queued, Some(Reason::DeviceOffline))
            }
            (None, Some((DeliveryState::Due { .. }, 0))) => {
                now(Status::Queued, Some(Reason::Waiting))
            }
            (None, Some((DeliveryState::Due { .. }, _))) => {
                now(Status::Queued, Some(Reason::Retrying))
            }
            (None, Some((DeliveryState::Leased { written: true, .. }, _))) => Ending::SENT,
            (None, Some((DeliveryState::Leased { .. }, _))) => now(Status::Sending, None),
            (None, None) if self.born_on == node => now(Status::Sending, None),
            (None, None) => Ending::NOT_ATTEMPTED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_no_other() {
        for status in Status::ALL {
            assert_eq!(Status::from_word(status.as_str()), Some(status));
        }
        for reason in Reason::ALL {
            assert_eq!(Reason::from_word(reason.as_str()), Some(reason));
        }
        assert_eq!(Status::from_word("Sent"), None);
        assert_eq!(Reason::from_word(""), None);
    }

    #[test]
    fn an_attempt_of_a_newer_version_is_still_read() {
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
