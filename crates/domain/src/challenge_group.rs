//! A group of challenges: one question to several devices of a person, of which the first answer counts.
//!
//! Its challenges are opened together, expire together and never change their group. Its status follows from theirs, so nothing
//! about a group is stored that could contradict its challenges.

use crate::challenge::{Challenge, ChallengeState, ChallengeStatus, Verdict};
use crate::sid::{ChallengeGroupSid, ChallengeSid, ServiceSid};
use crate::text::Identity;
use crate::time::Instant;

/// The most challenges of a group. An entity has fewer push factors by default.
pub const MAX_CHALLENGES: usize = 100;

/// A group, with all its challenges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeGroup {
    first: Challenge,
    others: Vec<Challenge>,
}

/// The answer to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupAnswer<'a> {
    /// The challenge that was answered.
    pub challenge: &'a Challenge,
    /// The person's verdict.
    pub verdict: Verdict,
    /// When it was answered.
    pub at: Instant,
}

impl ChallengeGroup {
    /// The group of these challenges, in the order of their SIDs; `None` without a challenge.
    pub fn of(challenges: impl IntoIterator<Item = Challenge>) -> Option<Self> {
        let mut challenges = challenges.into_iter();
        let first = challenges.next()?;
        Some(Self { first, others: challenges.collect() })
    }

    /// Its SID.
    pub const fn sid(&self) -> ChallengeGroupSid {
        ChallengeGroupSid::of_first(self.first.sid)
    }

    /// Its first challenge. Owner, question and expiry of all challenges are the same.
    pub const fn first(&self) -> &Challenge {
        &self.first
    }

    /// Whether it belongs to this identity of this service.
    pub fn is_at(&self, service: ServiceSid, identity: &Identity) -> bool {
        let owner = &self.first.owner;
        owner.service == service && owner.identity == *identity
    }

    /// All challenges, in the order of their SIDs.
    pub fn challenges(&self) -> impl Iterator<Item = &Challenge> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// All challenges but this one.
    pub fn others_than(self, challenge: ChallengeSid) -> Vec<Challenge> {
        let all = std::iter::once(self.first).chain(self.others);
        all.filter(|other| other.sid != challenge).collect()
    }

    /// The answer, if there is one. The others end with the first, so there is at most one.
    pub fn answer(&self) -> Option<GroupAnswer<'_>> {
        let answers = self.challenges().filter_map(|challenge| match challenge.state {
            ChallengeState::Answered { verdict, at } => {
                Some(GroupAnswer { challenge, verdict, at })
            }
            ChallengeState::Pending | ChallengeState::AnsweredElsewhere { .. } => None,
        });
        answers.min_by_key(|answer| answer.at)
    }

    /// The status at `now`.
    pub fn status(&self, now: Instant) -> ChallengeStatus {
        match self.answer() {
            Some(answer) => answer.challenge.status(now),
            None if now < self.first.expires_at => ChallengeStatus::Pending,
            None => ChallengeStatus::Expired,
        }
    }

    /// When it was last changed.
    pub fn updated_at(&self) -> Instant {
        self.challenges().map(|challenge| challenge.updated_at).max().unwrap_or_default()
    }
}
