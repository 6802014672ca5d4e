//! A delivery: what is still to be done for a notification. `docs/understand/states.md` draws its life.
//!
//! What follows an attempt is decided here, apart from doing it, by one pure and total function, [`after_attempt`].

use std::fmt;
use std::time::Duration;

use crate::address::{Address, Platform};
use crate::backoff;
use crate::challenge::{ChallengeState, Verdict};
use crate::monotonic::Monotonic;
use crate::notification::{AttemptRecord, Code, Ending, Reason};
use crate::sid::{
    AccountSid, ChallengeSid, CredentialSid, EntitySid, FactorSid, NotificationSid, ServiceSid,
};
use crate::text::{AppId, Message};
use crate::time::Instant;

/// How long a delivery is leased by default: a device has 10 s to acknowledge a push, and the work of a dead node is taken
/// over within 15 s.
pub const LEASE: Duration = Duration::from_secs(14);

/// One run of one process. A new start is a new node.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(pub [u8; 16]);

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node-{:02x}{:02x}{:02x}{:02x}", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

/// A delivery, as everybody who works on it needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The notification, which has no other delivery.
    pub notification: NotificationSid,
    /// What it tells of.
    pub challenge: ChallengeSid,
    /// The device it goes to.
    pub factor: FactorSid,
    /// Whose device that is.
    pub entity: EntitySid,
    /// From this instant on no attempt may start.
    pub deadline: Instant,
    /// `Ttl=0`: one attempt, and no row in the database that could start another.
    pub once: bool,
    /// How many attempts have been made.
    pub attempts: u32,
}

/// Where a delivery stands in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Whoever comes first at that instant or later may lease it.
    Due {
        /// The next attempt.
        at: Instant,
    },
    /// A node works on it.
    Leased {
        /// Which one.
        node: NodeId,
        /// From then on others may take it over.
        until: Instant,
        /// It was written to the device's stream and is not acknowledged yet.
        written: bool,
    },
    /// Waiting for the device to connect.
    Parked,
}

/// The right to work on a delivery until an instant. The instant is part of the right: a lease that was lost and
/// taken again is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// What to do.
    pub delivery: Delivery,
    /// Who may do it.
    pub node: NodeId,
    /// Until when.
    pub until: Instant,
}

/// How a delivery comes into the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Birth {
    /// Leased by the node that accepted the request, which holds a place in its dispatcher for it.
    Leased {
        /// Until when.
        until: Instant,
    },
    /// Due at once: no place was free.
    Due,
    /// Parked: no device is there.
    Parked,
    /// `Ttl=0`: no row at all; the place in the dispatcher is all there is.
    Immediate,
    /// Ended before it began.
    Stillborn(Ending),
}

/// A notification that is about to be stored, with the delivery that it causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewNotification {
    /// Its delivery, no attempt made.
    pub delivery: Delivery,
    /// Whether the challenge sends it by itself.
    pub automatic: bool,
    /// Seconds, as asked for.
    pub ttl: u16,
    /// When it is made.
    pub created_at: Instant,
    /// The process that makes it.
    pub node: NodeId,
    /// The factor's platform, for which the birth was chosen.
    pub platform: Platform,
    /// How its delivery starts.
    pub birth: Birth,
}

impl NewNotification {
    /// What the dispatcher is to be handed once this is stored.
    pub fn lease(&self) -> Option<Lease> {
        let until = match self.birth {
            Birth::Leased { until } => until,
            Birth::Immediate => self.delivery.deadline,
            Birth::Due | Birth::Parked | Birth::Stillborn(_) => return None,
        };
        Some(Lease { delivery: self.delivery, node: self.node, until })
    }
}

/// What an attempt must know, as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prospect {
    /// Whether the lease still holds (for `Ttl=0`: whether the notification has no ending).
    pub lease_holds: bool,
    /// Where the challenge stands; `None` if it is gone.
    pub challenge: Option<(ChallengeState, Message)>,
    /// The factor as it is now; `None` if it, its entity or its service is gone.
    pub factor: Option<Target>,
}

/// A prospect that may have aged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What was so.
    pub prospect: Prospect,
    /// When this process looked, or later.
    pub at: Monotonic,
}

/// Where to push, as the factor and its service say at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The account.
    pub account: AccountSid,
    /// The service.
    pub service: ServiceSid,
    /// The address.
    pub address: Address,
    /// The app on the device.
    pub app_id: AppId,
    /// The service's credential for the platform.
    pub credential: Option<CredentialSid>,
}

/// What a provider must carry, in nobody's format. Hidden details, fields and identity are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The notification, by which a device knows a second copy.
    pub notification: NotificationSid,
    /// The challenge: also the key under which a later push replaces an earlier one.
    pub challenge: ChallengeSid,
    /// The device.
    pub factor: FactorSid,
    /// The question.
    pub message: Message,
    /// Where to.
    pub target: Target,
    /// After this instant it must not be shown.
    pub expires_at: Instant,
    /// `Ttl=0`: now or never.
    pub once: bool,
}

impl Push {
    /// The seconds that a provider is told: the remaining ones, rounded down, but 1 while any time is left, and 0 only
    /// for `Ttl=0` (wire reference §5.5).
    pub fn remaining_seconds(&self, now: Instant) -> u64 {
        if self.once { 0 } else { self.expires_at.since(now).as_secs().max(1) }
    }
}

/// Whether an attempt may start now, and with what; otherwise how the delivery ends, or `None` if it is no longer ours
/// to end.
pub fn prepare(lease: &Lease, prospect: Prospect, now: Instant) -> Result<Push, Option<Ending>> {
    let delivery = &lease.delivery;
    if !prospect.lease_holds || (now >= lease.until && !delivery.once) {
        return Err(None);
    }
    if now >= delivery.deadline {
        return Err(Some(overdue(delivery)));
    }
    let Some((state, message)) = prospect.challenge else {
        return Err(Some(Ending::cancelled(Reason::FactorGone)));
    };
    if let ChallengeState::Answered { verdict: Verdict::Approved | Verdict::Denied, .. } = state {
        return Err(Some(Ending::cancelled(Reason::Answered)));
    }
    let target = prospect.factor.filter(|target| target.address.can_be_reached());
    let target = target.ok_or(Some(Ending::cancelled(Reason::FactorGone)))?;
    Ok(Push {
        notification: delivery.notification,
        challenge: delivery.challenge,
        factor: delivery.factor,
        message,
        target,
        expires_at: delivery.deadline,
        once: delivery.once,
    })
}

/// How a delivery ends whose deadline has passed while a node held it.
pub const fn overdue(delivery: &Delivery) -> Ending {
    Ending::overdue(false, delivery.attempts)
}

/// What became of one attempt, with the push service's own words for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What it means.
    pub outcome: Outcome,
    /// The push service's status.
    pub provider_status: Option<u16>,
    /// Its reason, at most 256 characters.
    pub provider_reason: Option<String>,
    /// Our code for it.
    pub code: Option<Code>,
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The push service took it.
    Accepted,
    /// The device itself took it (our stream).
    Acknowledged,
    /// Written to the device's stream, and not acknowledged in time.
    Unacknowledged,
    /// Nobody holds the device's stream now.
    Offline,
    /// The address is dead: forget it, if it is older than that.
    Gone {
        /// Since when, if the push service says so.
        since: Option<Instant>,
    },
    /// Worth another try, and not sooner than it asked.
    Later {
        /// What the push service asked for.
        not_before: Option<Instant>,
    },
    /// Our payload or credential: trying again cannot help.
    Refused {
        /// Whether every push with this credential will fare the same.
        breaks_credential: bool,
    },
}

impl Outcome {
    /// The word for the record.
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
    /// An attempt without any words of a push service.
    pub const fn plain(outcome: Outcome, code: Option<Code>) -> Self {
        Self { outcome, provider_status: None, provider_reason: None, code }
    }

    /// For the record.
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

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Nothing: this is how it ended.
    Done(Ending),
    /// Wait for the device.
    Park,
    /// Another attempt.
    Retry {
        /// When: before the deadline, or at it, if no attempt can be made before. Then none is made, and it ends there.
        at: Instant,
    },
}

/// How long before the deadline the last try of a failing provider starts, if backoff alone would miss it.
const LAST_TRY: Duration = Duration::from_secs(1);
/// With less than two of that left, another try comes after half of what is left, but not sooner than this.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// When to try again after a failure at `now`, as far as it is for us to choose: after `backoff`, or sooner if that would
/// be too late. The deadline itself, if that is too near for one more try.
fn next_try(now: Instant, backoff: Duration, deadline: Instant) -> Instant {
    let left = deadline.since(now);
    let wait = backoff.min(left.saturating_sub(LAST_TRY).max(left / 2));
    if wait < SHORTEST_WAIT { deadline } else { now + wait }
}

/// What follows an attempt that ended at `now`. `jitter` is any number.
pub fn after_attempt(delivery: &Delivery, attempt: &Attempt, now: Instant, jitter: u32) -> After {
    let code = |otherwise| attempt.code.unwrap_or(otherwise);
    let once_failed = Ending::failed(Reason::AttemptFailed, code(Code::INTERNAL));
    match attempt.outcome {
        Outcome::Accepted => After::Done(Ending::SENT),
        Outcome::Acknowledged => After::Done(Ending::DELIVERED),
        Outcome::Unacknowledged if delivery.once => After::Done(Ending::SENT),
        Outcome::Offline if delivery.once => {
            After::Done(Ending::failed(Reason::DeviceOffline, code(Code::NO_DESTINATION)))
        }
        Outcome::Unacknowledged | Outcome::Offline if now < delivery.deadline => After::Park,
        Outcome::Unacknowledged | Outcome::Offline => After::Done(Ending::EXPIRED),
        Outcome::Gone { .. } => {
            After::Done(Ending::failed(Reason::AddressGone, code(Code::NO_DESTINATION)))
        }
        Outcome::Refused { .. } => {
            After::Done(Ending::failed(Reason::Refused, code(Code::INTERNAL)))
        }
        Outcome::Later { .. } if delivery.once => After::Done(once_failed),
        Outcome::Later { .. } if now >= delivery.deadline => After::Done(Ending::EXPIRED),
        Outcome::Later { not_before } => {
            let backoff = backoff::delay(delivery.attempts.saturating_add(1), jitter);
            let ours = next_try(now, backoff, delivery.deadline);
            let at = not_before.map_or(ours, |wished| wished.max(ours));
            After::Retry { at: at.min(delivery.deadline) }
        }
    }
}

/// Something that the engine has to write down about a delivery that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The lease under which it happened.
    pub lease: Lease,
    /// What happened.
    pub what: Happening,
    /// When.
    pub at: Instant,
}

/// What can happen to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// It was written to the device's stream; the lease runs on.
    Written,
    /// An attempt was made.
    Attempted {
        /// For the record.
        record: AttemptRecord,
        /// What follows.
        after: After,
        /// The factor's address, if it is dead and was registered before that instant.
        forget: Option<(Address, Instant)>,
    },
    /// It ended without an attempt.
    Ended(Ending),
}

#[cfg(test)]
mod tests;
