//! The values that an attempt depends on, and whether it may start.

use crate::address::Address;
use crate::challenge::ChallengeState;
use crate::delivery::{Delivery, Lease};
use crate::ending::{Ending, StatusReason};
use crate::monotonic::Monotonic;
use crate::prompt_manner::PromptManner;
use crate::service_protection::UserVerification;
use crate::sid::{AccountSid, ChallengeSid, CredentialSid, FactorSid, NotificationSid, ServiceSid};
use crate::text::{AppId, Message};
use crate::time::Instant;

/// The values that an attempt depends on, read from the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prospect {
    /// Whether the lease is still held. For `Ttl=0`: whether the notification has not ended.
    pub lease_holds: bool,
    /// The challenge; `None` if it was deleted.
    pub challenge: Option<ChallengeFacts>,
    /// The factor's target; `None` if the factor, its entity or its service was deleted.
    pub factor: Option<Target>,
}

/// The facts about the challenge that an attempt needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeFacts {
    /// Its state.
    pub state: ChallengeState,
    /// The question.
    pub message: Message,
    /// How the device is to show it, by what is stored with the challenge.
    pub manner: PromptManner,
}

/// A [`Prospect`], and when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedProspect {
    /// The prospect.
    pub prospect: Prospect,
    /// When this process read it, or earlier.
    pub at: Monotonic,
}

/// Where to push: the present values of the factor and its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The account.
    pub account: AccountSid,
    /// The service.
    pub service: ServiceSid,
    /// The device's address.
    pub address: Address,
    /// The app on the device.
    pub app_id: AppId,
    /// The service's credential for the platform.
    pub credential: Option<CredentialSid>,
    /// Whether the service asks for a verified person.
    pub user_verification: UserVerification,
}

/// A push in no provider's format. It does not hold hidden details, fields or identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The notification. A device recognises a second copy of a push by it.
    pub notification: NotificationSid,
    /// The challenge. A later push of the same challenge replaces an earlier one on the device.
    pub challenge: ChallengeSid,
    /// The device.
    pub factor: FactorSid,
    /// The question.
    pub message: Message,
    /// How the device is to show it.
    pub manner: PromptManner,
    /// Where to push.
    pub target: Target,
    /// When the device must no longer show it.
    pub expires_at: Instant,
    /// `Ttl=0`: a single attempt.
    pub once: bool,
}

impl Push {
    /// The TTL that a provider is given, in seconds: the remaining time, rounded down, at least 1; and 0 only for `Ttl=0`.
    pub fn remaining_seconds(&self, now: Instant) -> u64 {
        if self.once { 0 } else { self.expires_at.since(now).as_secs().max(1) }
    }
}

/// Decides whether an attempt may start now, and returns the push that it sends.
///
/// # Errors
/// How the delivery ends instead; `None` if the lease is lost, so that this node must not end it.
pub fn prepare(lease: &Lease, prospect: Prospect, now: Instant) -> Result<Push, Option<Ending>> {
    let delivery = &lease.delivery;
    if !prospect.lease_holds || (now >= lease.until && !delivery.once) {
        return Err(None);
    }
    if now >= delivery.deadline {
        return Err(Some(overdue(delivery)));
    }
    let Some(ChallengeFacts { state, message, manner }) = prospect.challenge else {
        return Err(Some(Ending::cancelled(StatusReason::FactorGone)));
    };
    if state != ChallengeState::Pending {
        return Err(Some(Ending::cancelled(StatusReason::Answered)));
    }
    let target = prospect.factor.filter(|target| target.address.can_be_reached());
    let target = target.ok_or(Some(Ending::cancelled(StatusReason::FactorGone)))?;
    let manner = PromptManner { user_verification: target.user_verification, ..manner };
    Ok(Push {
        notification: delivery.notification,
        challenge: delivery.challenge,
        factor: delivery.factor,
        message,
        manner,
        target,
        expires_at: delivery.deadline,
        once: delivery.once,
    })
}

/// The ending of a delivery whose deadline has passed while a node held it.
pub const fn overdue(delivery: &Delivery) -> Ending {
    Ending::overdue(false, delivery.attempts)
}
