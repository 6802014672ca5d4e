//! Answers to challenges, and the metadata that comes with them.

use std::net::IpAddr;

use countersign_domain::answer::{self, AnswerError};
use countersign_domain::challenge::{Challenge, SIGNED_FIELDS, Verdict};
use countersign_domain::factor::{Factor, FactorType};
use countersign_domain::invalid::Invalid;
use countersign_domain::limits::is_reached;
use countersign_domain::service_protection::UserVerification;
use countersign_domain::sid::{ChallengeSid, ServiceSid};
use countersign_domain::signed_answer::{MAX_SIGNED_ANSWER, SignedAnswer};
use countersign_domain::text::{Identity, StringMap};
use countersign_domain::usage::Usage;
use countersign_store::seam::{Answer, Recorded};

use crate::caller::Caller;
use crate::error::{VerifyError, VerifyResult};
use crate::protections;
use crate::security::{self, Event};
use crate::verify::Verify;

/// Why a challenge whose factor was deleted cannot be answered.
pub(crate) const NO_FACTOR: Invalid = Invalid::because("is of a factor that was deleted");

/// Why an approval is refused whose device has not verified the person.
const NOT_VERIFIED: Invalid =
    Invalid::because("must sign user_verified as true, since the service asks for it");

/// Why an answer is refused that is too long to be kept.
const TOO_LONG: Invalid = Invalid::because("is longer than 16 KiB");

/// An update of a challenge; `None` means unchanged.
#[derive(Debug, Clone, Default)]
pub struct ChallengeUpdate {
    /// The device's signed answer, or the code.
    pub auth_payload: Option<String>,
    /// Data for the application's use.
    pub metadata: Option<StringMap>,
    /// The address of the client. Stored with an answer that the device itself sends.
    pub from: Option<IpAddr>,
}

impl Verify {
    /// Records an answer, or metadata, or both. An answer is judged by its signature, whether the device or the application sends
    /// it. An application may replace the metadata at any time, a device only while the challenge is open.
    ///
    /// # Errors
    /// Those of [`Verify::challenge`]; [`VerifyError::ChallengeClosed`], [`VerifyError::AnswerMalformed`],
    /// [`VerifyError::AnswerRejected`], [`VerifyError::WrongNumber`], [`VerifyError::TooManyAnswers`].
    pub async fn update_challenge(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
        update: ChallengeUpdate,
    ) -> VerifyResult<Challenge> {
        let (challenge, factor) = self.reach_challenge(caller, service, identity, sid).await?;
        let ChallengeUpdate { auth_payload, metadata, from } = update;
        let from = from.filter(|_| matches!(caller, Caller::Device(_)));
        match (auth_payload, challenge.factor_type) {
            (Some(payload), FactorType::Push) => {
                self.answer(challenge, factor.as_ref(), &payload, metadata, from).await
            }
            (Some(payload), FactorType::Totp) => {
                self.answer_with_code(challenge, &payload, metadata).await
            }
            (None, _) => {
                let while_open = matches!(caller, Caller::Device(_));
                self.annotate(challenge, metadata, while_open).await
            }
        }
    }

    /// Whether an approval must say that the device's platform has verified the person. The setting is at most ten seconds old.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] if the service was deleted.
    pub async fn user_verification(&self, challenge: &Challenge) -> VerifyResult<UserVerification> {
        if challenge.factor_type != FactorType::Push {
            return Ok(UserVerification::None);
        }
        let owner = &challenge.owner;
        let service = self.service(owner.account, owner.service).await?;
        Ok(service.settings.protection.user_verification())
    }

    /// Replaces a challenge's metadata, if any is given. With `while_open`, only while the challenge is open.
    async fn annotate(
        &self,
        challenge: Challenge,
        metadata: Option<StringMap>,
        while_open: bool,
    ) -> VerifyResult<Challenge> {
        let Some(metadata) = metadata else { return Ok(challenge) };
        let now = self.time().await?;
        let change = Usage::of_metadata(Some(&metadata), challenge.metadata.as_ref());
        let reservation = self.quotas.reserve(challenge.owner.account, change, &[], now)?;
        match self.store.update_challenge(challenge.sid, &metadata, while_open, now).await? {
            Recorded::Done => {
                reservation.keep();
                Ok(Challenge { metadata: Some(metadata), updated_at: now, ..challenge })
            }
            Recorded::Refused(why) => Err(why.into()),
            Recorded::WrongNumber { .. } => unreachable!("metadata comes with no number"),
            Recorded::NotFound => Err(VerifyError::NotFound),
        }
    }

    /// Judges an answer and records it if it is the first. Checks the challenge's state, then the signature, then the signed
    /// members. Stores metadata that came with the answer in the same command.
    async fn answer(
        &self,
        challenge: Challenge,
        factor: Option<&Factor>,
        payload: &str,
        metadata: Option<StringMap>,
        from: Option<IpAddr>,
    ) -> VerifyResult<Challenge> {
        let (now, sid) = (self.open_at(&challenge).await?, challenge.sid);
        let factor = factor.ok_or(VerifyError::AnswerRejected(NO_FACTOR))?;
        if payload.len() > MAX_SIGNED_ANSWER {
            return Err(reject(&challenge, TOO_LONG));
        }
        let answer = match answer::check(payload, &challenge, &SIGNED_FIELDS, &factor.key) {
            Err(AnswerError::Form) => return Err(VerifyError::AnswerMalformed),
            judged => judged,
        };
        self.allow_answer(sid).await?;
        let answer =
            answer.map_err(|error| reject(&challenge, Invalid(error.to_string().into())))?;
        if answer.verdict() == Verdict::Approved
            && !answer.is_user_verified()
            && self.user_verification(&challenge).await? == UserVerification::Required
        {
            return Err(reject(&challenge, NOT_VERIFIED));
        }
        let answered = challenge.answer(&answer, now)?;
        let country = from.and_then(|from| self.country(from));
        let others = self.others_of(&answered).await?;
        let given = Answer {
            challenge: sid,
            verdict: answer.verdict(),
            reason: answer.reason(),
            address: from,
            country,
            pauses_until: self.pause_by(&answer, &answered.owner, now).await?,
            number: answer.number(),
            metadata: metadata.clone(),
            signed: Some(SignedAnswer { jws: payload.to_owned(), key: factor.key }),
            group: answered.group,
            others: others.iter().map(|other| other.sid).collect(),
            at: now,
        };
        let kept = given.signed.as_ref().map_or_else(Usage::default, Usage::of_signed_answer);
        let (is_report, begins_pause) = (given.is_report(), given.pauses_until.is_some());
        match self.store.answer_challenge(given).await? {
            Recorded::WrongNumber { tries_left } => {
                if tries_left == 0 {
                    self.ended_by_another(&others).await;
                }
                Err(self.wrong_number(&answered, tries_left).await)
            }
            Recorded::Done => {
                if is_report {
                    protections::reported(&answered, begins_pause);
                }
                self.quotas.record(answered.owner.account, kept);
                self.compare_places(&answered, country);
                self.handover.happened();
                self.bus.challenge_changed(sid).await;
                self.ended_by_another(&others).await;
                Ok(self.with_metadata(answered, metadata))
            }
            Recorded::Refused(why) => Err(why.into()),
            Recorded::NotFound => Err(VerifyError::NotFound),
        }
    }

    /// Tells those who wait for these challenges, and their devices, that the answer to another one has ended them.
    async fn ended_by_another(&self, others: &[Challenge]) {
        for other in others {
            self.bus.challenge_changed(other.sid).await;
            self.bus.answered_elsewhere(other.factor, other.sid).await;
        }
    }

    /// The challenge as it is after an answer that came with metadata. An answer is accepted even if the account exceeds its
    /// quota.
    pub(crate) fn with_metadata(
        &self,
        challenge: Challenge,
        metadata: Option<StringMap>,
    ) -> Challenge {
        let change = Usage::of_metadata(metadata.as_ref(), challenge.metadata.as_ref());
        self.quotas.record(challenge.owner.account, change);
        let metadata = metadata.or(challenge.metadata);
        Challenge { metadata, ..challenge }
    }

    /// Counts an answer if the operator has limited wrong answers; without a limit they do not exhaust a challenge. Every answer
    /// is counted before the caller learns whether it was right, so that concurrent answers cannot pass the limit.
    async fn allow_answer(&self, sid: ChallengeSid) -> VerifyResult<()> {
        let limit = self.settings.limits.wrong_answers_per_push_challenge;
        if limit == 0 {
            return Ok(());
        }
        let earlier = self.store.count_wrong_answer(sid).await?.saturating_sub(1);
        if is_reached(limit, earlier) { Err(VerifyError::TooManyAnswers) } else { Ok(()) }
    }
}

/// Logs a refused answer, and returns its error.
pub(crate) fn reject(challenge: &Challenge, why: Invalid) -> VerifyError {
    security::refused(Event::Answer, challenge.owner.account, Some(&challenge.sid), &why);
    VerifyError::AnswerRejected(why)
}
