//! Protection of people against prompts that they did not ask for: what follows when an entity is paused, and the
//! application's switch.

use std::ops::RangeInclusive;
use std::time::Duration;

use countersign_domain::answer::{DenialReason, VerifiedAnswer};
use countersign_domain::challenge::Challenge;
use countersign_domain::entity::Owner;
use countersign_domain::protection::{Pause, PauseReason, Protection};
use countersign_domain::service_protection::ServiceLimit;
use countersign_domain::sid::{AccountSid, EntitySid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use metrics::counter;

use crate::error::{VerifyError, VerifyResult};
use crate::security::{self, Event};
use crate::verify::Verify;

/// How many hours an application may pause an entity for.
pub const PAUSE_HOURS: RangeInclusive<u32> = 1..=8_760;

/// How an entity is protected now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityProtection {
    /// The entity.
    pub owner: Owner,
    /// Its pause, if it is paused.
    pub pause: Option<Pause>,
    /// How many pauses in a row it had without an approval. The next one is longer than the last.
    pub level: u32,
}

/// A change of an entity's protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtectionChange {
    /// Pauses the entity, for so many hours or until it is resumed.
    Pause {
        /// How many, of [`PAUSE_HOURS`].
        hours: Option<u32>,
    },
    /// Ends any pause, and begins to count challenges again.
    Resume,
}

impl Verify {
    /// Returns how an entity is protected.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the entity.
    pub async fn protection(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
    ) -> VerifyResult<EntityProtection> {
        let owner = self.entity(account, service, identity).await?.owner;
        let stored = self.store.protection(owner.entity).await?;
        Ok(EntityProtection::of(owner, stored, self.time().await?))
    }

    /// Pauses an entity, or ends its pause, whatever the reason for that was.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the entity.
    pub async fn protect(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        change: ProtectionChange,
    ) -> VerifyResult<EntityProtection> {
        let owner = self.entity(account, service, identity).await?.owner;
        let now = self.time().await?;
        let (event, pause) = match change {
            ProtectionChange::Pause { hours } => {
                let until = hours.map(|hours| now + hours_of(hours));
                let reason = PauseReason::Application;
                (Event::EntityPaused, Some(Pause { reason, level: 0, until }))
            }
            ProtectionChange::Resume => (Event::EntityResumed, None),
        };
        let stored = Protection { pause, cause: None, counts_from: now };
        let action = self.action(event, account, owner.entity);
        if !action.store().protect(&owner, stored).await? {
            return Err(VerifyError::NotFound);
        }
        action.done();
        Ok(EntityProtection::of(owner, Some(stored), now))
    }

    /// Lists the entities of a service that are paused now, by their SIDs from behind `after` on: up to `most`.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the service.
    pub async fn paused(
        &self,
        account: AccountSid,
        service: ServiceSid,
        after: Option<EntitySid>,
        most: usize,
    ) -> VerifyResult<Vec<EntityProtection>> {
        self.service(account, service).await?;
        let now = self.time().await?;
        let found = self.store.paused(service, after, most, now).await?.into_iter();
        Ok(found.map(|(owner, stored)| EntityProtection::of(owner, Some(stored), now)).collect())
    }

    /// Until when an answer given now pauses its entity: as long as its service says, if it reports the challenge.
    ///
    /// # Errors
    /// Those of reading the service.
    pub(crate) async fn pause_by(
        &self,
        answer: &VerifiedAnswer,
        owner: &Owner,
        now: Instant,
    ) -> VerifyResult<Option<Instant>> {
        if answer.reason() != Some(DenialReason::NotMe) {
            return Ok(None);
        }
        let service = self.service(owner.account, owner.service).await?;
        let protection = &service.settings.protection;
        let hours = protection.limit(ServiceLimit::ReportedPauseHours, &self.settings.limits);
        Ok((hours > 0).then(|| now + hours_of(hours)))
    }
}

/// Logs that a person reported a challenge, and whether that paused the entity.
pub(crate) fn reported(denied: &Challenge, begins_pause: bool) {
    let owner = &denied.owner;
    security::done(Event::ChallengeReported, owner.account, denied.sid);
    if begins_pause {
        security::done(Event::EntityPaused, owner.account, owner.entity);
    }
}

fn hours_of(hours: u32) -> Duration {
    Duration::from_secs(u64::from(hours) * 60 * 60)
}

impl EntityProtection {
    fn of(owner: Owner, stored: Option<Protection>, now: Instant) -> Self {
        let level = stored.and_then(|stored| stored.pause).map_or(0, |pause| pause.level);
        Self { owner, pause: stored.and_then(|stored| stored.pause_at(now)), level }
    }
}

/// Counts a challenge that was refused because its entity is paused, logs the pause if the challenge began it, and returns
/// the error.
pub(crate) fn refused(
    challenge: &Challenge,
    pause: Pause,
    begins: bool,
    now: Instant,
) -> VerifyError {
    let owner = &challenge.owner;
    if begins {
        security::done(Event::EntityPaused, owner.account, owner.entity);
    }
    counter!("countersign_challenges_paused_total", "reason" => pause.reason.as_str()).increment(1);
    match pause.reason {
        PauseReason::InARow => {
            let left = pause.until.map_or(Duration::ZERO, |until| until.since(now));
            VerifyError::TooManyInARow(left)
        }
        PauseReason::Reported | PauseReason::Application => VerifyError::Paused(pause.reason),
    }
}
