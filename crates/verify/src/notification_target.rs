//! The facts about a challenge and its device that a notification needs.

use countersign_domain::address::Platform;
use countersign_domain::challenge::Challenge;
use countersign_domain::entity::Owner;
use countersign_domain::factor::Factor;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use countersign_domain::time::Instant;

/// The challenge and the device that a notification is for. Everything but the platform is fixed, and the store checks the
/// platform again, so the value may come from memory.
#[derive(Debug, Clone)]
pub(crate) struct NotificationTarget {
    pub(crate) challenge: ChallengeSid,
    pub(crate) owner: Owner,
    pub(crate) factor: FactorSid,
    pub(crate) platform: Platform,
    pub(crate) expires_at: Instant,
}

impl NotificationTarget {
    pub(crate) fn of(challenge: &Challenge, factor: &Factor) -> Self {
        Self {
            challenge: challenge.sid,
            owner: challenge.owner.clone(),
            factor: factor.sid,
            platform: factor.address.platform(),
            expires_at: challenge.expires_at,
        }
    }
}
