//! Opens, reads and lists challenges.

use std::sync::Arc;

use countersign_domain::challenge::{
    Challenge, ChallengeState, ChallengeStatus, Details, Field, expiry,
};
use countersign_domain::factor::{Factor, FactorStatus, FactorType};
use countersign_domain::invalid::Invalid;
use countersign_domain::notification::automatic_ttl;
use countersign_domain::presence::Presence;
use countersign_domain::presence_choice::{PresenceAbility, PresenceDraw, PresenceWish};
use countersign_domain::protection::PromptLimits;
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ChallengeSid, FactorSid, ServiceSid};
use countersign_domain::text::{Identity, Message, StringMap};
use countersign_domain::time::Instant;
use countersign_domain::usage::Usage;
use countersign_store::seam::{ChallengeFilter, Opened, Opening};
use countersign_store::{Page, PageQuery};

use crate::caller::{Caller, check_own_path};
use crate::error::{VerifyError, VerifyResult};
use crate::notification_target::NotificationTarget;
use crate::notifications::PlannedNotification;
use crate::parameter::Parameter;
use crate::presence;
use crate::protections;
use crate::quotas::Reservation;
use crate::verify::Verify;

/// A challenge that an application asks for, of one factor or of several.
#[derive(Debug, Clone)]
pub struct NewChallenge {
    /// When the challenge expires; in five minutes if `None`.
    pub expires_at: Option<Instant>,
    /// The question. Required for a push factor.
    pub message: Option<Message>,
    /// Further details that the person sees, at most [`countersign_domain::challenge::MAX_FIELDS`].
    pub fields: Vec<Field>,
    /// Details that the device signs and does not show.
    pub hidden_details: Option<StringMap>,
    /// The code that answers a challenge of a TOTP factor at once. Ignored for a push factor.
    pub code: Option<String>,
    /// The proof that the person who approves looks at the page that asked.
    pub presence: PresenceWish,
}

/// The automatic notification of a challenge, and what its repetitions need to know.
pub(crate) type PlannedPush = (PlannedNotification, NotificationTarget);

/// When a new challenge expires.
pub(crate) fn expiry_of(new: &NewChallenge, now: Instant) -> VerifyResult<Instant> {
    expiry(now, new.expires_at).map_err(|why| VerifyError::Parameter(Parameter::Expiry, why))
}

/// Refuses a new challenge of a push factor without a message.
pub(crate) fn check_message(new: &NewChallenge) -> VerifyResult<()> {
    let reason = Invalid::because("is required");
    new.message.as_ref().map(|_| ()).ok_or(VerifyError::Parameter(Parameter::Message, reason))
}

/// The drawn number or code, as this device can show or enter it.
pub(crate) fn presence_for(
    drawn: Option<&PresenceDraw>,
    factor: &Factor,
    new: &NewChallenge,
) -> VerifyResult<Option<Presence>> {
    let ability = PresenceAbility { takes_numbers: factor.takes_numbers, fields: new.fields.len() };
    drawn.map_or(Ok(None), |drawn| drawn.for_device(ability)).map_err(presence::unfit)
}

/// The error of a challenge that was not stored.
pub(crate) fn refuse_unopened(
    challenge: &Challenge,
    opened: Opened,
    now: Instant,
) -> VerifyResult<()> {
    match opened {
        Opened::Done => Ok(()),
        Opened::TooMany => Err(VerifyError::TooManyChallenges),
        Opened::TooManyPending => Err(VerifyError::TooManyPending),
        Opened::Paused { pause, begins } => {
            Err(protections::refused(challenge, pause, begins, now))
        }
        Opened::NoFactor => Err(VerifyError::FactorNotFound(challenge.factor)),
        Opened::WrongCode | Opened::SpentCode | Opened::Exhausted | Opened::SettingsChanged => {
            unreachable!("the opening holds no code")
        }
    }
}

impl Verify {
    /// Opens a challenge and pushes it to its device.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the service, [`VerifyError::FactorNotFound`], [`VerifyError::FactorUnverified`],
    /// [`VerifyError::TooManyChallenges`], [`VerifyError::TooManyPending`], [`VerifyError::TooManyInARow`],
    /// [`VerifyError::Paused`], [`VerifyError::Parameter`] for an expiry out of bounds a missing message, or a presence
    /// that the factor cannot prove.
    pub async fn create_challenge(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        factor: FactorSid,
        new: NewChallenge,
    ) -> VerifyResult<Challenge> {
        let found = self.service(account, service).await?;
        let now = self.time().await?;
        let expires_at = expiry_of(&new, now)?;
        let sid = factor;
        let factor = self.store.factor(service, identity, sid).await?;
        let Some(factor) = self.unless_lapsed(factor, Factor::has_lapsed).await? else {
            let at = (service, identity, sid);
            return self.create_totp_challenge(account, at, new, (now, expires_at)).await;
        };
        check_message(&new)?;
        if factor.status == FactorStatus::Unverified {
            return Err(VerifyError::FactorUnverified);
        }
        let drawn = self.draw_presence(&found, &new)?;
        let presence = presence_for(drawn.as_ref(), &factor, &new)?.map(Box::new);
        let challenge =
            Challenge { presence, ..self.draw(&found, &factor, new, (now, expires_at)) };
        let prompts = found.settings.protection.prompts(&self.settings.limits);
        let (opening, push) = self.plan_opening(challenge, &factor, prompts, now).await;
        let reservation = self.reserve_challenge(&opening.challenge)?;
        let action = self.unnamed_action();
        let opened = action.store().open_challenge(&opening).await?;
        refuse_unopened(&opening.challenge, opened, now)?;
        action.done();
        reservation.keep();
        self.begin_push(push).await;
        Ok(opening.challenge)
    }

    /// Draws what shows that the person who approves looks at the page that asked.
    pub(crate) fn draw_presence(
        &self,
        service: &Service,
        new: &NewChallenge,
    ) -> VerifyResult<Option<PresenceDraw>> {
        let of_service = service.settings.protection.presence();
        new.presence.clone().draw(of_service, &*self.entropy).map_err(presence::unfit)
    }

    /// A challenge of a push factor that nothing has stored yet, without presence.
    pub(crate) fn draw(
        &self,
        service: &Service,
        factor: &Factor,
        new: NewChallenge,
        (now, expires_at): (Instant, Instant),
    ) -> Challenge {
        let date = service.settings.push.include_date.then_some(now.whole_seconds());
        Challenge {
            sid: ChallengeSid::mint(FactorType::Push, now, &*self.entropy),
            owner: factor.owner.clone(),
            group: None,
            factor: factor.sid,
            factor_type: FactorType::Push,
            details: Details { message: new.message, fields: new.fields, date },
            hidden_details: new.hidden_details,
            metadata: None,
            is_quiet: false,
            presence: None,
            state: ChallengeState::Pending,
            created_at: now,
            updated_at: now,
            expires_at,
        }
    }

    /// Plans how a challenge of a push factor is stored together with its automatic notification.
    pub(crate) async fn plan_opening(
        &self,
        challenge: Challenge,
        factor: &Factor,
        prompts: PromptLimits,
        now: Instant,
    ) -> (Opening, Option<PlannedPush>) {
        let is_pushed = factor.address.can_be_reached();
        let target = is_pushed.then(|| NotificationTarget::of(&challenge, factor));
        let push = match target {
            Some(target) => {
                let planned = self.plan(&target, automatic_ttl(&challenge), true, now).await;
                Some((planned, target))
            }
            None => None,
        };
        let limits = &self.settings.limits;
        let opening = Opening {
            challenge,
            notification: push.as_ref().map(|(planned, _)| planned.new),
            code: None,
            most_per_factor_hour: limits.challenges_per_factor_per_hour,
            most_per_factor_day: limits.challenges_per_factor_per_day,
            most_per_entity_hour: limits.challenges_per_entity_per_hour,
            prompts,
        };
        (opening, push)
    }

    /// Makes sure, after the commit, that the automatic notification is pushed.
    pub(crate) async fn begin_push(&self, push: Option<PlannedPush>) {
        if let Some((planned, target)) = push {
            self.targets.insert(target.challenge, Arc::new(target));
            self.hand_over(planned, None).await;
        }
    }

    /// Reserves room for a challenge that is about to be stored.
    pub(crate) fn reserve_challenge(&self, challenge: &Challenge) -> VerifyResult<Reservation<'_>> {
        let (usage, records) = (Usage::of_challenge(challenge), [*challenge.sid.as_bytes()]);
        self.quotas.reserve(challenge.owner.account, usage, &records, challenge.created_at)
    }

    /// Returns a challenge. A device that reads its own pending challenge has evidently received it: the challenge's sent
    /// notifications count as delivered from then on.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`], also for a challenge of another factor than the device's; [`VerifyError::Forbidden`] for
    /// a device on another path.
    pub async fn challenge(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> VerifyResult<Challenge> {
        let (challenge, _) = self.reach_challenge(caller, service, identity, sid).await?;
        let now = self.time().await?;
        if matches!(caller, Caller::Device(_))
            && challenge.status(now) == ChallengeStatus::Pending
            && let Err(error) = self.store.mark_fetched(sid, now).await
        {
            tracing::warn!(challenge = %sid, %error, "could not note that a device fetched a challenge");
        }
        Ok(challenge)
    }

    /// Lists an entity's challenges. A device sees those of its own factor.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the entity; [`VerifyError::Forbidden`] for a device on another path, or one that
    /// asks for another factor's challenges.
    pub async fn challenges(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        mut filter: ChallengeFilter,
        page: PageQuery<ChallengeSid>,
    ) -> VerifyResult<Page<Challenge>> {
        let entity = match caller {
            Caller::Application(account) => {
                self.entity(*account, service, identity).await?.owner.entity
            }
            Caller::Device(factor) => {
                check_own_path(&factor.owner, service, identity)?;
                if *filter.factor.get_or_insert(factor.sid) != factor.sid {
                    return Err(VerifyError::Forbidden);
                }
                factor.owner.entity
            }
            Caller::Enrolling(_) => return Err(VerifyError::Forbidden),
        };
        Ok(self.store.challenges(entity, filter, self.time().await?, page).await?)
    }

    /// Finds a challenge and its factor, if that still exists. An application reaches the challenges of its account, a device
    /// those of its own factor.
    pub(crate) async fn reach_challenge(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> VerifyResult<(Challenge, Option<Factor>)> {
        let own = match caller {
            Caller::Application(account) => {
                self.service(*account, service).await?;
                None
            }
            Caller::Device(factor) => {
                check_own_path(&factor.owner, service, identity)?;
                Some(factor.sid)
            }
            Caller::Enrolling(_) => return Err(VerifyError::Forbidden),
        };
        let found = self.store.challenge(service, identity, sid).await?;
        found
            .filter(|(challenge, _)| own.is_none_or(|factor| challenge.factor == factor))
            .ok_or(VerifyError::NotFound)
    }
}
