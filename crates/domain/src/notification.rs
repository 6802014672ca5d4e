//! A notification: one push of a challenge (Twilio Verify v2, Notification resource).

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::attempt_record::AttemptRecord;
use crate::challenge::Challenge;
use crate::delivery::DeliveryState;
use crate::ending::{Ending, NotificationStatus, StatusReason};
use crate::node::NodeId;
use crate::sid::{ChallengeSid, NotificationSid};
use crate::time::Instant;

/// The TTLs of a notification, in seconds. 0 means a single attempt, at once.
pub const TTL: RangeInclusive<u16> = 0..=300;
/// The default TTL, in seconds.
pub const DEFAULT_TTL: u16 = 300;
/// How long after its creation the attempt of a notification with `Ttl=0` may start.
pub const ONCE_WITHIN: Duration = Duration::from_secs(1);

/// The TTL of the automatic notification of a new challenge: 300 seconds, or the challenge's lifetime if that is shorter. Rounded
/// up, because 0 has another meaning; the challenge's expiry limits the delivery in any case.
pub fn automatic_ttl(challenge: &Challenge) -> u16 {
    let lifetime = challenge.expires_at.since(challenge.created_at).as_micros().div_ceil(1_000_000);
    u16::try_from(lifetime).unwrap_or(DEFAULT_TTL).clamp(1, DEFAULT_TTL)
}

/// The instant from which no attempt may start: the end of the TTL, or the challenge's expiry if that is earlier.
pub fn deadline(created_at: Instant, ttl: u16, expires_at: Instant) -> Instant {
    let valid = if ttl == 0 { ONCE_WITHIN } else { Duration::from_secs(ttl.into()) };
    (created_at + valid).min(expires_at)
}

/// A notification and its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its SID.
    pub sid: NotificationSid,
    /// The challenge that it pushes.
    pub challenge: ChallengeSid,
    /// Whether the challenge caused it by being opened.
    pub automatic: bool,
    /// The TTL that was asked for, in seconds.
    pub ttl: u16,
    /// When it was created.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
    /// The node that created it.
    pub created_on: NodeId,
    /// How it ended; `None` before its end.
    pub ending: Option<Ending>,
    /// The state of its delivery and the number of attempts, while the delivery has a row.
    pub delivery: Option<(DeliveryState, u32)>,
    /// The attempts, oldest first.
    pub attempts: Vec<AttemptRecord>,
}

impl Notification {
    /// Its present status, as the node `node` sees it. A notification with `Ttl=0` has no row for its delivery: without an ending
    /// it is being sent by the node that created it, or was lost with that node.
    pub fn current(&self, node: NodeId) -> Ending {
        let now = |status, reason| Ending { status, reason, code: None };
        match (self.ending, self.delivery) {
            (Some(ending), _) => ending,
            (None, Some((DeliveryState::Parked, _))) => {
                now(NotificationStatus::Queued, Some(StatusReason::DeviceOffline))
            }
            (None, Some((DeliveryState::Due { .. }, 0))) => {
                now(NotificationStatus::Queued, Some(StatusReason::Waiting))
            }
            (None, Some((DeliveryState::Due { .. }, _))) => {
                now(NotificationStatus::Queued, Some(StatusReason::Retrying))
            }
            (None, Some((DeliveryState::Leased { written: true, .. }, _))) => Ending::SENT,
            (None, Some((DeliveryState::Leased { .. }, _))) => {
                now(NotificationStatus::Sending, None)
            }
            (None, None) if self.created_on == node => now(NotificationStatus::Sending, None),
            (None, None) => Ending::NOT_ATTEMPTED,
        }
    }
}
