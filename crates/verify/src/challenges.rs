//! Challenges.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::answer::{self, AnswerFault};
use countersign_domain::challenge::{
    Challenge, ChallengeState, ChallengeStatus, Details, Field, SIGNED_FIELDS, Verdict, expiry,
};
use countersign_domain::factor::{Factor, FactorStatus, FactorType};
use countersign_domain::invalid::Invalid;
use countersign_domain::limits::is_reached;
use countersign_domain::notification::automatic_ttl;
use countersign_domain::sid::{AccountSid, ChallengeSid, FactorSid, ServiceSid};
use countersign_domain::text::{Identity, Message, StringMap};
use countersign_domain::time::Instant;
use countersign_domain::totp::{Code, TotpFactor};
use countersign_domain::usage::Usage;
use countersign_store::seam::{ChallengeFilter, Judged, Opened, Opening, Recorded, Shown};
use countersign_store::{Page, PageQuery};
use tokio_util::sync::CancellationToken;

use crate::accounts::TRIES;
use crate::auth::own_path;
use crate::notifications::Asked;
use crate::security::{self, Event};
use crate::totp_factors::{SPENT_CODE, WRONG_CODE};
use crate::usage::Room;
use crate::{Answer, Caller, Verify, VerifyError};

/// A waiter looks so often for what it was not told of: messages between nodes may be lost.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The reason for which nothing answers a challenge whose factor was deleted.
const NO_FACTOR: Invalid = Invalid::because("is of a factor that was deleted");

fn rejected(challenge: &Challenge, why: Invalid) -> VerifyError {
    security::refused(Event::Answer, challenge.owner.account, Some(&challenge.sid), &why);
    VerifyError::AnswerRejected(why)
}

/// The code in an `AuthPayload`.
fn code(payload: &str) -> Answer<Code> {
    Code::parse(payload).map_err(|reason| VerifyError::Parameter("AuthPayload", reason))
}

/// What an application asks a person.
#[derive(Debug, Clone)]
pub struct NewChallenge {
    /// The device to ask.
    pub factor: FactorSid,
    /// Until when; five minutes if absent.
    pub expires_at: Option<Instant>,
    /// The question. A push factor needs one.
    pub message: Option<Message>,
    /// What helps to decide it, at most [`countersign_domain::challenge::MOST_FIELDS`].
    pub fields: Vec<Field>,
    /// What is signed and not shown.
    pub hidden_details: Option<StringMap>,
    /// The code that answers it at once, of a TOTP factor; means nothing to a push factor.
    pub code: Option<String>,
}

/// What an update says; absent means unchanged.
#[derive(Debug, Clone, Default)]
pub struct ChallengeUpdate {
    /// The device's signed answer.
    pub auth_payload: Option<String>,
    /// What the application adds.
    pub metadata: Option<StringMap>,
}

impl Verify {
    /// Opens a challenge, and pushes it to its device.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the service, [`VerifyError::FactorNotFound`], [`VerifyError::FactorUnverified`],
    /// [`VerifyError::TooManyChallenges`], an expiry out of bounds.
    pub async fn create_challenge(
        &self,
        account: countersign_domain::sid::AccountSid,
        service: ServiceSid,
        identity: &Identity,
        new: NewChallenge,
    ) -> Answer<Challenge> {
        let settings = self.service(account, service).await?;
        let now = self.time().await?;
        let expires_at = expiry(now, new.expires_at)
            .map_err(|reason| VerifyError::Parameter("ExpirationDate", reason))?;
        let factor = self.store.factor(service, identity, new.factor).await?;
        let Some(factor) = self.unless_lapsed(factor, Factor::has_lapsed).await? else {
            return self.ask_for_code(account, service, identity, new, (now, expires_at)).await;
        };
        if new.message.is_none() {
            let reason = Invalid::because("is required");
            return Err(VerifyError::Parameter("Details.Message", reason));
        }
        if factor.status == FactorStatus::Unverified {
            return Err(VerifyError::FactorUnverified);
        }
        let challenge = Challenge {
            sid: ChallengeSid::mint(FactorType::Push, now, &*self.entropy),
            owner: factor.owner.clone(),
            factor: factor.sid,
            factor_type: FactorType::Push,
            details: Details {
                message: new.message,
                fields: new.fields,
                date: settings.settings.push.include_date.then_some(now.whole_seconds()),
            },
            hidden_details: new.hidden_details,
            metadata: None,
            state: ChallengeState::Pending,
            created_at: now,
            updated_at: now,
            expires_at,
        };
        let asked = factor.address.can_be_reached().then(|| Asked::of(&challenge, &factor));
        let planned = match &asked {
            Some(asked) => Some(self.plan(asked, automatic_ttl(&challenge), true, now).await),
            None => None,
        };
        let limits = &self.options.limits;
        let opening = Opening {
            challenge,
            notification: planned.as_ref().map(|planned| planned.new),
            code: None,
            most_per_factor_hour: limits.challenges_per_factor_per_hour,
            most_per_factor_day: limits.challenges_per_factor_per_day,
            most_per_entity_hour: limits.challenges_per_entity_per_hour,
        };
        let room = self.room_for(&opening.challenge)?;
        match self.store.open_challenge(&opening).await? {
            Opened::Done => {
                room.keep();
                if let Some((planned, asked)) = planned.zip(asked) {
                    self.asked.insert(opening.challenge.sid, Arc::new(asked));
                    self.hand_over(planned, None).await;
                }
                Ok(opening.challenge)
            }
            Opened::TooMany => Err(VerifyError::TooManyChallenges),
            Opened::NoFactor => Err(VerifyError::FactorNotFound(opening.challenge.factor)),
            Opened::WrongCode | Opened::SpentCode | Opened::Exhausted | Opened::Moved => {
                unreachable!("the opening holds no code")
            }
        }
    }

    /// Opens a challenge of a TOTP factor, and answers it if a code is given. One whose code is wrong or spent is kept,
    /// pending: it counts against the limits, so that guessing by making challenges is bounded. All of it is judged at one
    /// instant.
    async fn ask_for_code(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        new: NewChallenge,
        (now, expires_at): (Instant, Instant),
    ) -> Answer<Challenge> {
        let factor = self.reach_totp(account, service, identity, new.factor).await;
        let mut factor = factor.map_err(|error| match error {
            VerifyError::NotFound => VerifyError::FactorNotFound(new.factor),
            other => other,
        })?;
        if factor.status == FactorStatus::Unverified {
            return Err(VerifyError::FactorUnverified);
        }
        let code = new.code.as_deref().map(code).transpose()?;
        let challenge = Challenge {
            sid: ChallengeSid::mint(FactorType::Totp, now, &*self.entropy),
            owner: factor.owner.clone(),
            factor: factor.sid,
            factor_type: FactorType::Totp,
            details: Details { message: new.message, fields: new.fields, date: None },
            hidden_details: new.hidden_details,
            metadata: None,
            state: ChallengeState::Pending,
            created_at: now,
            updated_at: now,
            expires_at,
        };
        let room = self.room_for(&challenge)?;
        for _ in 0..TRIES {
            let shown = code.as_ref().map(|code| self.judge(&factor, code, now)).transpose()?;
            let opening = self.opening_of(&challenge, &factor, shown);
            match self.store.open_challenge(&opening).await? {
                Opened::Done if shown.is_some() => {
                    room.keep();
                    self.handover.happened();
                    let state = ChallengeState::Answered { verdict: Verdict::Approved, at: now };
                    return Ok(Challenge { state, ..challenge });
                }
                Opened::Done => {
                    room.keep();
                    return Ok(challenge);
                }
                Opened::WrongCode => {
                    room.keep();
                    return Err(rejected(&challenge, WRONG_CODE));
                }
                Opened::SpentCode => {
                    room.keep();
                    return Err(rejected(&challenge, SPENT_CODE));
                }
                Opened::Exhausted => return Err(VerifyError::TooManyAnswers),
                Opened::TooMany => return Err(VerifyError::TooManyChallenges),
                Opened::NoFactor => return Err(VerifyError::FactorNotFound(factor.sid)),
                Opened::Moved => factor = self.read_again(&factor).await?,
            }
        }
        Err(VerifyError::Conflict)
    }

    /// Room for a challenge that is to be stored.
    fn room_for(&self, challenge: &Challenge) -> Answer<Room<'_>> {
        let (stored, records) = (Usage::of_challenge(challenge), [*challenge.sid.as_bytes()]);
        self.quotas.take(challenge.owner.account, stored, &records, challenge.created_at)
    }

    /// A challenge of a TOTP factor, with the limits that it is stored under.
    fn opening_of(
        &self,
        challenge: &Challenge,
        factor: &TotpFactor,
        code: Option<Judged>,
    ) -> Opening {
        let limits = &self.options.limits;
        let (hour, day) = if factor.config.code_length <= 4 {
            (0, limits.challenges_per_short_totp_factor_per_day)
        } else {
            (limits.challenges_per_totp_factor_per_hour, limits.challenges_per_totp_factor_per_day)
        };
        Opening {
            challenge: challenge.clone(),
            notification: None,
            code,
            most_per_factor_hour: hour,
            most_per_factor_day: day,
            most_per_entity_hour: limits.challenges_per_entity_per_hour,
        }
    }

    /// Judges a code and approves the challenge if it is right, which also replaces its metadata if any came with it.
    async fn answer_code(
        &self,
        challenge: Challenge,
        payload: &str,
        metadata: Option<StringMap>,
    ) -> Answer<Challenge> {
        let (now, sid) = (self.open_at(&challenge).await?, challenge.sid);
        let shown = code(payload)?;
        let owner = &challenge.owner;
        let factor =
            self.store.totp_factor(owner.service, &owner.identity, challenge.factor).await?;
        let mut factor = factor.ok_or(VerifyError::AnswerRejected(NO_FACTOR))?;
        let most = self.options.limits.wrong_codes_per_totp_challenge;
        for _ in 0..TRIES {
            let judged = self.judge(&factor, &shown, now)?;
            let recorded =
                self.store.answer_by_code(sid, judged, most, metadata.as_ref(), now).await?;
            match recorded? {
                Shown::Accepted(()) => {
                    self.handover.happened();
                    self.bus.settle(sid).await;
                    let state = ChallengeState::Answered { verdict: Verdict::Approved, at: now };
                    let answered = Challenge { state, updated_at: now, ..challenge };
                    return Ok(self.with_metadata(answered, metadata));
                }
                Shown::Wrong => return Err(rejected(&challenge, WRONG_CODE)),
                Shown::Spent => return Err(rejected(&challenge, SPENT_CODE)),
                Shown::Exhausted => return Err(VerifyError::TooManyAnswers),
                Shown::Gone => return Err(VerifyError::NotFound),
                Shown::Moved => factor = self.read_again(&factor).await?,
            }
        }
        Err(VerifyError::Conflict)
    }

    /// A challenge. A device that fetches a pending one of its own has evidently received it: its notifications that
    /// were sent count as delivered.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`], also for a device that asks for another one's; [`VerifyError::Forbidden`] for a
    /// device on another path.
    pub async fn challenge(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> Answer<Challenge> {
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

    /// The same, but waits up to `most` for the challenge to leave `pending`; `stop` ends the wait early.
    ///
    /// # Errors
    /// Those of [`Verify::challenge`].
    pub async fn wait_for_challenge(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
        most: Duration,
        stop: &CancellationToken,
    ) -> Answer<Challenge> {
        let until = self.clock.monotonic() + most;
        let mut waiter = self.waiters.enter(caller);
        let watch = self.bus.watch(sid).await;
        let mut is_first = true;
        loop {
            let changed = watch.changed();
            let challenge = if std::mem::take(&mut is_first) {
                self.challenge(caller, service, identity, sid).await?
            } else {
                self.look_again(caller, service, identity, sid).await?
            };
            let now = self.time().await?;
            let left = until.since(self.clock.monotonic());
            let is_over = challenge.status(now) != ChallengeStatus::Pending || left.is_zero();
            let Some(waiter) = waiter.as_mut().filter(|_| !is_over && !stop.is_cancelled()) else {
                return Ok(challenge);
            };
            let left = left.min(challenge.expires_at.since(now)).min(LOOK_AGAIN);
            tokio::select! {
                () = changed => {}
                () = waiter.concerned(&challenge.owner) => {}
                () = self.clock.sleep(left) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// A challenge that somebody waits for, unless that one or the challenge is gone meanwhile.
    async fn look_again(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> Answer<Challenge> {
        self.refuse_suspended(caller.account()).await?;
        let (challenge, factor) = self.reach_challenge(caller, service, identity, sid).await?;
        if matches!(caller, Caller::Device(_)) && factor.is_none() {
            return Err(VerifyError::NotFound);
        }
        Ok(challenge)
    }

    /// Lists an entity's challenges; a device sees those of its own factor.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the entity; [`VerifyError::Forbidden`] for a device on another path or that
    /// asks for another one's.
    pub async fn challenges(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        mut filter: ChallengeFilter,
        page: PageQuery<ChallengeSid>,
    ) -> Answer<Page<Challenge>> {
        let entity = match caller {
            Caller::Application(account) => {
                self.entity(*account, service, identity).await?.owner.entity
            }
            Caller::Device(factor) => {
                own_path(&factor.owner, service, identity)?;
                if *filter.factor.get_or_insert(factor.sid) != factor.sid {
                    return Err(VerifyError::Forbidden);
                }
                factor.owner.entity
            }
            Caller::Enrolling(_) => return Err(VerifyError::Forbidden),
        };
        Ok(self.store.challenges(entity, filter, self.time().await?, page).await?)
    }

    /// Records an answer, or metadata, or both. An answer counts by its signature, whoever brings it. An application may
    /// replace the metadata at any time; a device only until the challenge is answered or expires.
    ///
    /// # Errors
    /// Those of [`Verify::challenge`]; [`VerifyError::CannotAnswer`], [`VerifyError::AnswerMalformed`],
    /// [`VerifyError::AnswerRejected`], [`VerifyError::TooManyAnswers`].
    pub async fn update_challenge(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
        update: ChallengeUpdate,
    ) -> Answer<Challenge> {
        let (challenge, factor) = self.reach_challenge(caller, service, identity, sid).await?;
        let ChallengeUpdate { auth_payload, metadata } = update;
        match (auth_payload, challenge.factor_type) {
            (Some(payload), FactorType::Push) => {
                self.answer(challenge, factor.as_ref(), &payload, metadata).await
            }
            (Some(payload), FactorType::Totp) => {
                self.answer_code(challenge, &payload, metadata).await
            }
            (None, _) => {
                let while_open = matches!(caller, Caller::Device(_));
                self.annotate(challenge, metadata, while_open).await
            }
        }
    }

    /// Replaces a challenge's metadata, if there is any to replace it with; with `while_open` only while the challenge is
    /// open.
    async fn annotate(
        &self,
        challenge: Challenge,
        metadata: Option<StringMap>,
        while_open: bool,
    ) -> Answer<Challenge> {
        let Some(metadata) = metadata else { return Ok(challenge) };
        let now = self.time().await?;
        let change = Usage::of_metadata(Some(&metadata), challenge.metadata.as_ref());
        let room = self.quotas.take(challenge.owner.account, change, &[], now)?;
        match self.store.update_challenge(challenge.sid, &metadata, while_open, now).await? {
            Recorded::Done => {
                room.keep();
                Ok(Challenge { metadata: Some(metadata), updated_at: now, ..challenge })
            }
            Recorded::Refused(why) => Err(why.into()),
            Recorded::Gone => Err(VerifyError::NotFound),
        }
    }

    /// Judges an answer and records it if it is the first: the challenge's state, then the signature, then what was
    /// signed. Metadata that came with it is stored by the same command.
    async fn answer(
        &self,
        challenge: Challenge,
        factor: Option<&Factor>,
        payload: &str,
        metadata: Option<StringMap>,
    ) -> Answer<Challenge> {
        let (now, sid) = (self.open_at(&challenge).await?, challenge.sid);
        let factor = factor.ok_or(VerifyError::AnswerRejected(NO_FACTOR))?;
        let answer = match answer::check(payload, &challenge, &SIGNED_FIELDS, &factor.key) {
            Err(AnswerFault::Form) => return Err(VerifyError::AnswerMalformed),
            judged => judged,
        };
        self.allow_answer(sid).await?;
        let answer =
            answer.map_err(|fault| rejected(&challenge, Invalid(fault.to_string().into())))?;
        let answered = challenge.answer(&answer, now)?;
        let verdict = answer.verdict();
        match self.store.answer_challenge(sid, verdict, metadata.as_ref(), now).await? {
            Recorded::Done => {
                self.handover.happened();
                self.bus.settle(sid).await;
                Ok(self.with_metadata(answered, metadata))
            }
            Recorded::Refused(why) => Err(why.into()),
            Recorded::Gone => Err(VerifyError::NotFound),
        }
    }

    /// A challenge whose answer was recorded with this metadata. An answer is taken also when the account has too much stored.
    fn with_metadata(&self, challenge: Challenge, metadata: Option<StringMap>) -> Challenge {
        let change = Usage::of_metadata(metadata.as_ref(), challenge.metadata.as_ref());
        self.quotas.note(challenge.owner.account, change);
        let metadata = metadata.or(challenge.metadata);
        Challenge { metadata, ..challenge }
    }

    /// A wrong signature does not consume a challenge, unless the operator set a limit. Then every answer is counted
    /// before anybody learns whether it was right: once the challenge is exhausted, a right one comes too late, also
    /// among many at once.
    async fn allow_answer(&self, sid: ChallengeSid) -> Answer<()> {
        let limit = self.options.limits.wrong_answers_per_push_challenge;
        if limit == 0 {
            return Ok(());
        }
        let earlier = self.store.count_wrong_answer(sid).await?.saturating_sub(1);
        if is_reached(limit, earlier) { Err(VerifyError::TooManyAnswers) } else { Ok(()) }
    }

    /// For calls on one challenge: an application reaches all of its account's, a device those of its own factor.
    async fn reach_challenge(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> Answer<(Challenge, Option<Factor>)> {
        let own = match caller {
            Caller::Application(account) => {
                self.service(*account, service).await?;
                None
            }
            Caller::Device(factor) => {
                own_path(&factor.owner, service, identity)?;
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
