//! Asks several devices of a person at once. The first answer counts and ends the challenges of the others.

use std::time::Duration;

use countersign_domain::backchannel::BackchannelRequest;
use countersign_domain::challenge::Challenge;
use countersign_domain::challenge_group::{ChallengeGroup, MAX_CHALLENGES};
use countersign_domain::factor::{AnyFactor, Factor, FactorStatus};
use countersign_domain::invalid::Invalid;
use countersign_domain::protection::PromptLimits;
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ChallengeGroupSid, EntitySid, FactorSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_domain::usage::Usage;
use countersign_store::seam::{GroupOpened, Opening};
use countersign_store::{Page, PageQuery};
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::challenges::{
    NewChallenge, PlannedPush, check_message, expiry_of, presence_for, refuse_unopened,
};
use crate::error::{VerifyError, VerifyResult};
use crate::parameter::Parameter;
use crate::verify::Verify;

/// The devices that are asked together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Devices {
    /// All verified push factors of the entity.
    All,
    /// These push factors, which differ. At most [`MAX_CHALLENGES`].
    Listed(Vec<FactorSid>),
}

impl Verify {
    /// Asks devices of a person the same question: opens a challenge of each and pushes them, all or none.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the entity, [`VerifyError::Parameter`] for devices that cannot be asked, and those of
    /// [`Verify::create_challenge`] but the ones of its factor.
    pub async fn create_challenge_group(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        devices: &Devices,
        new: &NewChallenge,
    ) -> VerifyResult<ChallengeGroup> {
        self.open_group(account, service, identity, devices, new, |_, _| None).await
    }

    /// As [`Verify::create_challenge_group`]. `asked_by` makes the request of the client that asks, which is stored with the group.
    pub(crate) async fn open_group(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        devices: &Devices,
        new: &NewChallenge,
        asked_by: impl FnOnce(&ChallengeGroup, Instant) -> Option<BackchannelRequest> + Send,
    ) -> VerifyResult<ChallengeGroup> {
        let entity = self.entity(account, service, identity).await?.owner.entity;
        let found = self.service(account, service).await?;
        let now = self.time().await?;
        let expires_at = expiry_of(new, now)?;
        check_message(new)?;
        let asked = self.devices(entity, devices).await?;
        let challenges = self.draw_group(&found, &asked, new, (now, expires_at))?;
        let (openings, pushes) = self.plan_group(&found, &challenges, &asked, now).await;
        let usage = challenges.iter().map(Usage::of_challenge);
        let usage = usage.fold(Usage::default(), |all, one| all + one);
        let records: Vec<_> = challenges.iter().map(|one| *one.sid.as_bytes()).collect();
        let reservation = self.quotas.reserve(account, usage, &records, now)?;
        let group = ChallengeGroup::of(challenges.iter().cloned()).ok_or(VerifyError::NotFound)?;
        let asked_by = asked_by(&group, now);
        let opened = self.store.open_group(&openings, asked_by.as_ref()).await?;
        match opened {
            GroupOpened::Done => {}
            GroupOpened::Repeated => return Err(VerifyError::Conflict),
            GroupOpened::Refused { factor, why } => {
                let refused = challenges.iter().find(|challenge| challenge.factor == factor);
                refused.map_or(Ok(()), |challenge| refuse_unopened(challenge, why, now))?;
            }
        }
        reservation.keep();
        for push in pushes {
            self.begin_push(push).await;
        }
        Ok(group)
    }

    /// Asks all devices of a person, and returns the group once it is answered or has expired, after `most` at the latest. `stop`
    /// ends the wait early.
    ///
    /// # Errors
    /// Those of [`Verify::create_challenge_group`] and [`Verify::challenge_group`].
    pub async fn ask_all_devices(
        &self,
        (account, service, identity): (AccountSid, ServiceSid, &Identity),
        new: &NewChallenge,
        most: Duration,
        stop: &CancellationToken,
    ) -> VerifyResult<ChallengeGroup> {
        let devices = Devices::All;
        let group = self.create_challenge_group(account, service, identity, &devices, new).await?;
        self.wait_for_challenge_group(account, service, identity, group.sid(), most, stop).await
    }

    /// Returns a group.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn challenge_group(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeGroupSid,
    ) -> VerifyResult<ChallengeGroup> {
        self.service(account, service).await?;
        let found = self.store.challenge_group(service, identity, sid).await?;
        found.ok_or(VerifyError::NotFound)
    }

    /// Lists the groups of an entity.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the entity.
    pub async fn challenge_groups(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        page: PageQuery<ChallengeGroupSid>,
    ) -> VerifyResult<Page<ChallengeGroup>> {
        let entity = self.entity(account, service, identity).await?.owner.entity;
        Ok(self.store.challenge_groups(entity, page).await?)
    }

    /// The other challenges of a challenge's group.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] if the group was deleted.
    pub(crate) async fn others_of(&self, challenge: &Challenge) -> VerifyResult<Vec<Challenge>> {
        let Some(sid) = challenge.group else { return Ok(Vec::new()) };
        let (service, identity) = (challenge.owner.service, &challenge.owner.identity);
        let found = self.store.challenge_group(service, identity, sid).await?;
        Ok(found.ok_or(VerifyError::NotFound)?.others_than(challenge.sid))
    }

    /// Finds the devices to ask.
    async fn devices(&self, entity: EntitySid, devices: &Devices) -> VerifyResult<Vec<Factor>> {
        // More factors than an entity can have: the limits are 20 and 100 by default.
        let page = self.store.factors(entity, PageQuery::first(1_000)).await?;
        let found = match devices {
            Devices::All => all_of(page.items),
            Devices::Listed(sids) => listed(sids, &page.items),
        };
        found.map_err(|why| VerifyError::Parameter(Parameter::Devices, why))
    }

    /// The challenges of a group, in the order of their SIDs.
    fn draw_group(
        &self,
        service: &Service,
        asked: &[Factor],
        new: &NewChallenge,
        times: (Instant, Instant),
    ) -> VerifyResult<Vec<Challenge>> {
        // One number for all devices: the page shows one.
        let drawn = self.draw_presence(service, new)?;
        let mut challenges = Vec::new();
        for factor in asked {
            let presence = presence_for(drawn.as_ref(), factor, new)?.map(Box::new);
            let drawn = self.draw(service, factor, new.clone(), times);
            challenges.push(Challenge { presence, ..drawn });
        }
        challenges.sort_by_key(|challenge| challenge.sid);
        let group = challenges.first().map(|first| ChallengeGroupSid::of_first(first.sid));
        for challenge in &mut challenges {
            challenge.group = group;
        }
        Ok(challenges)
    }

    /// Plans how a group is stored. The limits of an entity apply to the first challenge only: a group counts once.
    async fn plan_group(
        &self,
        service: &Service,
        challenges: &[Challenge],
        asked: &[Factor],
        now: Instant,
    ) -> (Vec<Opening>, Vec<Option<PlannedPush>>) {
        let mut prompts = service.settings.protection.prompts(&self.settings.limits);
        let (mut openings, mut pushes) = (Vec::new(), Vec::new());
        for challenge in challenges {
            let Some(factor) = asked.iter().find(|factor| factor.sid == challenge.factor) else {
                continue;
            };
            let planned = self.plan_opening(challenge.clone(), factor, prompts, now).await;
            let (mut opening, push) = planned;
            if !openings.is_empty() {
                opening.most_per_entity_hour = 0;
            }
            openings.push(opening);
            pushes.push(push);
            prompts = PromptLimits { most_in_a_row: 0, quiet_after: 0, ..prompts };
        }
        (openings, pushes)
    }
}

/// All verified push factors.
fn all_of(factors: Vec<AnyFactor>) -> Result<Vec<Factor>, Invalid> {
    let verified = factors.into_iter().filter_map(|factor| match factor {
        AnyFactor::Push(factor) if factor.status == FactorStatus::Verified => Some(*factor),
        AnyFactor::Push(_) | AnyFactor::Totp(_) => None,
    });
    let verified: Vec<_> = verified.collect();
    match verified.len() {
        0 => Err(Invalid::because("found no verified push factor of the entity")),
        1..=MAX_CHALLENGES => Ok(verified),
        _ => Err(too_many()),
    }
}

/// The listed factors, each of which must be a verified push factor.
fn listed(sids: &[FactorSid], factors: &[AnyFactor]) -> Result<Vec<Factor>, Invalid> {
    let find = |sid: &FactorSid| match factors.iter().find(|factor| factor.sid() == *sid) {
        Some(AnyFactor::Push(factor)) if factor.status == FactorStatus::Verified => {
            Ok((**factor).clone())
        }
        Some(AnyFactor::Push(_)) => Err(because(*sid, "is not verified")),
        Some(AnyFactor::Totp(_)) => Err(because(*sid, "is no push factor")),
        None => Err(because(*sid, "is no factor of the entity")),
    };
    sids.iter().map(find).collect()
}

/// More devices than a group can have.
pub fn too_many() -> Invalid {
    Invalid(format!("must be at most {MAX_CHALLENGES} push factors").into())
}

fn because(sid: FactorSid, why: &str) -> Invalid {
    Invalid(format!("names {sid}, which {why}").into())
}

impl Verify {
    /// Returns a group once it is no longer pending, after `most` at the latest. `stop` ends the wait early.
    ///
    /// # Errors
    /// Those of [`Verify::challenge_group`].
    pub async fn wait_for_challenge_group(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeGroupSid,
        most: Duration,
        stop: &CancellationToken,
    ) -> VerifyResult<ChallengeGroup> {
        let caller = Caller::Application(account);
        // An answer to any challenge of the group changes the first.
        self.wait_while_pending(&caller, sid.first(), most, stop, |_| async move {
            self.refuse_suspended(account).await?;
            self.challenge_group(account, service, identity, sid).await
        })
        .await
    }
}
