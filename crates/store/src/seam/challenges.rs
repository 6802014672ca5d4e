//! Challenges.

use std::net::IpAddr;

use async_trait::async_trait;
use countersign_domain::answer::DenialReason;
use countersign_domain::answer_context::{AnswerContext, ChallengeContext, Country};
use countersign_domain::challenge::{Challenge, ChallengeClosedError, ChallengeStatus, Verdict};
use countersign_domain::delivery::NewNotification;
use countersign_domain::factor::Factor;
use countersign_domain::presence::{PresenceCode, PresenceNumber};
use countersign_domain::presence_check::CodeRefusal;
use countersign_domain::protection::{Pause, PromptLimits};
use countersign_domain::sid::{ChallengeGroupSid, ChallengeSid, EntitySid, FactorSid, ServiceSid};
use countersign_domain::signed_answer::SignedAnswer;
use countersign_domain::text::{Identity, StringMap};
use countersign_domain::time::Instant;

use super::codes::JudgedCode;
use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// A challenge to store, the push that it causes, and the conditions for storing it.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The challenge.
    pub challenge: Challenge,
    /// Its automatic notification, unless its factor gets none.
    pub notification: Option<NewNotification>,
    /// The code that answers it at once.
    pub code: Option<JudgedCode>,
    /// The most challenges of the factor within the last hour; 0: no limit.
    pub most_per_factor_hour: u32,
    /// The most challenges of the factor within the last day; 0: no limit.
    pub most_per_factor_day: u32,
    /// The most challenges of the entity within the last hour; 0: no limit.
    pub most_per_entity_hour: u32,
    /// The most push challenges of the factor at a time and of the entity in a row. Not used for a challenge of a TOTP factor.
    pub prompts: PromptLimits,
}

/// The result of opening a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// The challenge is stored, and approved if it came with a code.
    Done,
    /// The challenge is stored and pending, with one wrong code counted.
    WrongCode,
    /// The challenge is stored and pending; the code's time step was used before, which is not counted as wrong.
    SpentCode,
    /// Too many codes of the factor were wrong in a row: nothing is stored.
    Exhausted,
    /// The factor's code settings differ from those that the code was judged by: nothing is stored.
    SettingsChanged,
    /// A limit is reached.
    TooMany,
    /// The entity is paused: the challenge is not stored.
    Paused {
        /// The pause.
        pause: Pause,
        /// Whether this command began it, since [`Opening::prompts`] is reached.
        begins: bool,
    },
    /// The factor has as many pending challenges as [`Opening::prompts`] permits: the challenge is not stored.
    TooManyPending,
    /// The factor does not exist, or is not verified.
    NoFactor,
}

/// A verdict to record, and what came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The challenge.
    pub challenge: ChallengeSid,
    /// The verdict.
    pub verdict: Verdict,
    /// Why the challenge is denied, if that was said. [`DenialReason::NotMe`] also records that it was reported.
    pub reason: Option<DenialReason>,
    /// The address from which the device answered.
    pub address: Option<IpAddr>,
    /// The country of that address.
    pub country: Option<Country>,
    /// Until when the answer pauses the challenge's entity, unless the application has paused it for longer.
    pub pauses_until: Option<Instant>,
    /// The number that the person entered, if the challenge asks for one.
    pub number: Option<PresenceNumber>,
    /// Replaces the challenge's metadata.
    pub metadata: Option<StringMap>,
    /// The answer as the device signed it. None for a code, or if the verdict is the server's own.
    pub signed: Option<SignedAnswer>,
    /// The group of the challenge. The client that asked its question is called.
    pub group: Option<ChallengeGroupSid>,
    /// The other challenges of its group, which the answer ends.
    pub others: Vec<ChallengeSid>,
    /// When it was given.
    pub at: Instant,
}

impl Answer {
    /// A verdict that nothing came with.
    pub const fn new(challenge: ChallengeSid, verdict: Verdict, at: Instant) -> Self {
        Self {
            challenge,
            verdict,
            reason: None,
            address: None,
            country: None,
            pauses_until: None,
            number: None,
            metadata: None,
            signed: None,
            group: None,
            others: Vec::new(),
            at,
        }
    }

    /// A report of a challenge that the person did not cause, which pauses the entity until that instant.
    pub fn report(challenge: ChallengeSid, pauses_until: Option<Instant>, at: Instant) -> Self {
        let reason = Some(DenialReason::NotMe);
        Self { reason, pauses_until, ..Self::new(challenge, Verdict::Denied, at) }
    }

    /// The denial of a challenge whose last number was wrong.
    pub fn presence_failed(&self) -> Self {
        let reason = Some(DenialReason::PresenceFailed);
        let (address, country) = (self.address, self.country);
        let (group, others) = (self.group, self.others.clone());
        Self {
            reason,
            address,
            country,
            group,
            others,
            ..Self::new(self.challenge, Verdict::Denied, self.at)
        }
    }

    /// The data that is stored and reported besides the verdict.
    pub const fn context(&self) -> AnswerContext {
        AnswerContext { reason: self.reason, address: self.address, country: self.country }
    }

    /// Whether the person reports the challenge.
    pub fn is_report(&self) -> bool {
        self.reason == Some(DenialReason::NotMe)
    }
}

/// A code that a person typed on the page, after approving on the device that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The challenge.
    pub challenge: ChallengeSid,
    /// The code.
    pub code: PresenceCode,
    /// When it was typed.
    pub at: Instant,
}

/// The result of a [`Confirmation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    /// The code is right: that is stored.
    Done,
    /// The code is refused. A wrong one is counted.
    Refused(CodeRefusal),
    /// The challenge does not exist, or asks for no presence.
    NotFound,
}

/// The challenges that a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChallengeFilter {
    /// Only those of this factor.
    pub factor: Option<FactorSid>,
    /// Only those with this status when the list is read.
    pub status: Option<ChallengeStatus>,
}

/// The result of a change that a challenge accepts only while it is open: a verdict, or a device's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// The change is stored.
    Done,
    /// The challenge was answered before, or has expired.
    Refused(ChallengeClosedError),
    /// The number that came with the approval is wrong. That is counted; if it was the last try, the challenge is denied with
    /// [`DenialReason::PresenceFailed`], as by an answer.
    WrongNumber {
        /// How many tries are left.
        tries_left: u8,
    },
    /// The challenge does not exist; or, for a verdict, its factor does not.
    NotFound,
}

/// Challenges.
#[async_trait]
pub trait Challenges {
    /// Stores a new challenge and the notification that it causes, only if its factor exists and is verified: both, or
    /// neither.
    async fn open_challenge(&self, opening: &Opening) -> StoreResult<Opened>;
    /// Reads a challenge by its path, and its factor if that still exists.
    async fn challenge(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> StoreResult<Option<(Challenge, Option<Factor>)>>;
    /// Lists the challenges of an entity, with their status at `now`.
    async fn challenges(
        &self,
        entity: EntitySid,
        filter: ChallengeFilter,
        now: Instant,
        page: PageQuery<ChallengeSid>,
    ) -> StoreResult<Page<Challenge>>;
    /// Records an answer, only while the challenge is pending and unexpired when it is given and its factor exists. The
    /// challenge's deliveries end: `sent` if already written to the device's stream, otherwise `cancelled` with reason
    /// `answered`. So do the other challenges of its group, as
    /// [`AnsweredElsewhere`](countersign_domain::challenge::ChallengeState::AnsweredElsewhere), and
    /// their deliveries. All that came with the verdict is stored, and what follows from it, or nothing. An approval
    /// counts only with the right number, if the challenge asks for one.
    async fn answer_challenge(&self, answer: Answer) -> StoreResult<Recorded>;
    /// Judges and counts a code that a person typed on the page.
    async fn confirm_presence(&self, confirmation: Confirmation) -> StoreResult<Confirmed>;
    /// Reads what is stored about a challenge for applications and operators alone.
    async fn challenge_context(&self, sid: ChallengeSid) -> StoreResult<Option<ChallengeContext>>;
    /// Reads an answer as the device signed it; `None` if there is none.
    async fn signed_answer(&self, sid: ChallengeSid) -> StoreResult<Option<SignedAnswer>>;
    /// Replaces a challenge's metadata. With `while_open`, only while the challenge is pending and unexpired at `at`; otherwise
    /// [`Recorded::Refused`].
    async fn update_challenge(
        &self,
        sid: ChallengeSid,
        metadata: &StringMap,
        while_open: bool,
        at: Instant,
    ) -> StoreResult<Recorded>;
    /// Counts one more wrong signature and returns the count.
    async fn count_wrong_answer(&self, sid: ChallengeSid) -> StoreResult<u32>;
}
