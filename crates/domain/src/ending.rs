//! The status of a notification, and how it ends.

use serde::{Deserialize, Serialize};

/// The status of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationStatus {
    /// Its delivery is due or parked.
    Queued,
    /// An attempt is running.
    Sending,
    /// The push service accepted it, or it was written to a stream and is not acknowledged.
    Sent,
    /// The device has received it.
    Delivered,
    /// It cannot be delivered.
    Failed,
    /// It was not delivered in time.
    Expired,
    /// It was no longer needed.
    Cancelled,
}

impl NotificationStatus {
    const ALL: [Self; 7] = [
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
    ];

    /// The word in responses and in the database.
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

    /// Parses the word; `None` for any other text.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// Why a notification has its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusReason {
    /// Queued: the first attempt has not started.
    Waiting,
    /// Queued: an attempt failed, and another follows.
    Retrying,
    /// Queued, failed or expired: the device is not present.
    DeviceOffline,
    /// Failed: the push service no longer knows the device.
    AddressGone,
    /// Failed: the push service refused the push, or there is no credential for it.
    Refused,
    /// Failed: the only attempt of a notification with `Ttl=0` failed.
    AttemptFailed,
    /// Expired: no attempt was made in time, because no server was running or none had capacity.
    NotAttempted,
    /// Cancelled: the challenge, or another one of its group, was answered.
    Answered,
    /// Cancelled: the factor, its entity or its service was deleted, or the factor's platform is `none` now.
    FactorGone,
    /// Cancelled: the device received a newer notification of the same challenge.
    Superseded,
}

impl StatusReason {
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

    /// The word in responses and in the database.
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

    /// Parses the word; `None` for any other text.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// An error code of a delivery (Twilio's error dictionary, 52xxx).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Internal notification error.
    pub const INTERNAL: Self = Self(52_000);
    /// Invalid destination binding: the push service does not know the device.
    pub const NO_DESTINATION: Self = Self(52_001);
    /// The service has no credential for the platform.
    pub const NO_CREDENTIAL: Self = Self(52_004);
    /// The TTL has elapsed.
    pub const TTL_PASSED: Self = Self(52_310);
}

/// A status with its reason and code. An ended notification keeps its ending, except that `sent` may still become `delivered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The status. `sent`, `delivered`, `failed`, `expired` and `cancelled` are ends.
    pub status: NotificationStatus,
    /// Why the notification has this status.
    pub reason: Option<StatusReason>,
    /// The error code, if the notification failed or expired.
    pub code: Option<ErrorCode>,
}

impl Ending {
    /// The push service accepted it; or it was written to the stream, and no acknowledgement is waited for.
    pub const SENT: Self = Self { status: NotificationStatus::Sent, reason: None, code: None };
    /// The device has received it.
    pub const DELIVERED: Self =
        Self { status: NotificationStatus::Delivered, reason: None, code: None };
    /// The deadline passed after at least one attempt. The attempts say why they failed.
    pub const EXPIRED: Self = Self {
        status: NotificationStatus::Expired,
        reason: None,
        code: Some(ErrorCode::TTL_PASSED),
    };
    /// The deadline passed before the first attempt.
    pub const NOT_ATTEMPTED: Self = Self {
        status: NotificationStatus::Expired,
        reason: Some(StatusReason::NotAttempted),
        code: Some(ErrorCode::TTL_PASSED),
    };
    /// The deadline passed while the device was not present.
    pub const DEVICE_AWAY: Self = Self {
        status: NotificationStatus::Expired,
        reason: Some(StatusReason::DeviceOffline),
        code: Some(ErrorCode::TTL_PASSED),
    };

    /// The ending of a delivery whose deadline has passed while it waited: for its device, or for an attempt after `attempts`
    /// others.
    pub const fn overdue(waited_for_device: bool, attempts: u32) -> Self {
        match (waited_for_device, attempts) {
            (true, _) => Self::DEVICE_AWAY,
            (false, 0) => Self::NOT_ATTEMPTED,
            (false, _) => Self::EXPIRED,
        }
    }

    /// The ending of a notification that cannot be delivered.
    pub const fn failed(reason: StatusReason, code: ErrorCode) -> Self {
        Self { status: NotificationStatus::Failed, reason: Some(reason), code: Some(code) }
    }

    /// The ending of a notification that is no longer needed.
    pub const fn cancelled(reason: StatusReason) -> Self {
        Self { status: NotificationStatus::Cancelled, reason: Some(reason), code: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_no_other() {
        for status in NotificationStatus::ALL {
            assert_eq!(NotificationStatus::from_word(status.as_str()), Some(status));
        }
        for reason in StatusReason::ALL {
            assert_eq!(StatusReason::from_word(reason.as_str()), Some(reason));
        }
        assert_eq!(NotificationStatus::from_word("Sent"), None);
        assert_eq!(StatusReason::from_word(""), None);
    }
}
