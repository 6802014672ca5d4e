//! Protection of people against prompts that they did not ask for (prompt bombing, push fatigue).
//!
//! An entity that approves none of several push challenges in a row is *paused*: it gets no new push challenge until the pause
//! ends. Each further pause is twice as long as the one before. An approval ends the pause and starts the count again.
//! Challenges of TOTP factors prompt nobody, so they are neither counted nor refused.

use std::str::FromStr;
use std::time::Duration;

use crate::challenge::{ChallengeState, MAX_LIFETIME, Verdict};
use crate::invalid::Invalid;
use crate::limits::is_reached;
use crate::sid::ChallengeSid;
use crate::time::Instant;

/// How many more of an entity's newest challenges are read than the limit in a row.
const LOOK_BEYOND: u32 = 50;

/// Why an entity is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// Too many push challenges in a row were not approved.
    InARow,
    /// The person reported a challenge: "It was not me".
    Reported,
    /// The application asked for it.
    Application,
}

impl PauseReason {
    /// The word on the wire and in the databases.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InARow => "in_a_row",
            Self::Reported => "reported",
            Self::Application => "application",
        }
    }
}

impl FromStr for PauseReason {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::InARow, Self::Reported, Self::Application]
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or(Invalid::because("must be in_a_row, reported or application"))
    }
}

/// A time in which an entity gets no new push challenges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// The reason.
    pub reason: PauseReason,
    /// Which pause in a row it is, from 1; each level doubles the time. 0 unless the reason is [`PauseReason::InARow`].
    pub level: u32,
    /// When it ends; `None`: when the application ends it.
    pub until: Option<Instant>,
}

impl Pause {
    /// Whether it has ended at `now`.
    pub fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// The stored protection of one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    /// The latest pause. It may be over: its level is still needed, for the next one.
    pub pause: Option<Pause>,
    /// The challenge that began the pause, if one did: the one that was refused, or reported.
    pub cause: Option<ChallengeSid>,
    /// Only challenges that were opened after this instant count, and only an approval after it ends the pause.
    pub counts_from: Instant,
}

impl Protection {
    /// The pause that holds at `now`.
    pub fn pause_at(&self, now: Instant) -> Option<Pause> {
        self.pause.filter(|pause| !pause.is_over(now))
    }
}

/// A push challenge, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prompt {
    /// When it was opened.
    pub created_at: Instant,
    /// Whether and how it was answered.
    pub state: ChallengeState,
    /// Whether it counts: of a group, only the first challenge does.
    pub counts: bool,
}

impl Prompt {
    /// When it was approved, if it was.
    const fn approved_at(&self) -> Option<Instant> {
        match self.state {
            ChallengeState::Answered { verdict: Verdict::Approved, at } => Some(at),
            ChallengeState::Answered { verdict: Verdict::Denied, .. }
            | ChallengeState::AnsweredElsewhere { .. }
            | ChallengeState::Pending => None,
        }
    }
}

/// How many push challenges a factor has at a time, how many an entity gets in a row, and how long it is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptLimits {
    /// The most pending push challenges of one factor at a time; 0: no limit.
    pub most_pending: u32,
    /// The most push challenges in a row without an approval; 0: no limit.
    pub most_in_a_row: u32,
    /// After how many of them further ones do not disturb the person; 0: all disturb.
    pub quiet_after: u32,
    /// How long a challenge counts after it was opened.
    pub window: Duration,
    /// The first pause.
    pub first_pause: Duration,
    /// No pause is longer.
    pub longest_pause: Duration,
}

/// Whether a push challenge may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptDecision {
    /// It may.
    Open,
    /// It may not: the entity is paused.
    Paused(Pause),
    /// It may not. The protection to store, and its pause, which begins now.
    Pause(Protection, Pause),
}

impl PromptLimits {
    /// No limits.
    pub const OFF: Self = Self {
        most_pending: 0,
        most_in_a_row: 0,
        quiet_after: 0,
        window: Duration::ZERO,
        first_pause: Duration::ZERO,
        longest_pause: Duration::ZERO,
    };

    /// How many of an entity's newest push challenges [`Self::decide`] and [`Self::is_quiet`] need. 0 without a limit.
    pub const fn look(&self) -> u32 {
        let most = match self.most_in_a_row < self.quiet_after {
            true => self.quiet_after,
            false => self.most_in_a_row,
        };
        if most == 0 { 0 } else { most.saturating_add(LOOK_BEYOND) }
    }

    /// The instant after which these were opened. An approval within the window may be of a challenge that was opened before
    /// the window.
    pub fn look_since(&self, now: Instant) -> Instant {
        now - self.window - MAX_LIFETIME
    }

    /// Whether an entity may get the push challenge `asked` at `now`. `newest` are its newest push challenges, newest first. A
    /// challenge that is judged again, since its first refusal was lost, gets the same decision.
    pub fn decide(
        &self,
        asked: ChallengeSid,
        now: Instant,
        stored: Option<Protection>,
        newest: &[Prompt],
    ) -> PromptDecision {
        let approved_at = newest.iter().filter_map(Prompt::approved_at).max();
        let counts_from = stored.map(|stored| stored.counts_from);
        let pause = stored.and_then(|stored| stored.pause).filter(|pause| match pause.reason {
            // an approval may have been recorded while the pause was being stored
            PauseReason::InARow => self.most_in_a_row > 0 && approved_at <= counts_from,
            PauseReason::Reported | PauseReason::Application => true,
        });
        if let Some(pause) = pause.filter(|pause| !pause.is_over(now)) {
            return match stored.filter(|stored| stored.cause == Some(asked)) {
                Some(stored) => PromptDecision::Pause(stored, pause),
                None => PromptDecision::Paused(pause),
            };
        }
        let (have, last) = self.counted(now, stored, newest);
        let Some(last) = last.filter(|_| is_reached(self.most_in_a_row, have)) else {
            return PromptDecision::Open;
        };
        let before = pause.filter(|pause| pause.reason == PauseReason::InARow);
        let level = before.map_or(0, |pause| pause.level).saturating_add(1);
        let until = Some(now + self.pause(level));
        let pause = Pause { reason: PauseReason::InARow, level, until };
        let stored = Protection { pause: Some(pause), cause: Some(asked), counts_from: last };
        PromptDecision::Pause(stored, pause)
    }

    /// Whether a push challenge that may be opened at `now` must not disturb the person.
    pub fn is_quiet(&self, now: Instant, stored: Option<Protection>, newest: &[Prompt]) -> bool {
        is_reached(self.quiet_after, self.counted(now, stored, newest).0)
    }

    /// How many challenges in a row were not approved, and when the last of them was opened.
    fn counted(
        &self,
        now: Instant,
        stored: Option<Protection>,
        newest: &[Prompt],
    ) -> (u32, Option<Instant>) {
        let approved_at = newest.iter().filter_map(Prompt::approved_at).max();
        let counts_from = stored.map(|stored| stored.counts_from);
        let from =
            (now - self.window).max(counts_from.max(approved_at).unwrap_or(Instant::default()));
        let is_counted = |prompt: &&Prompt| {
            prompt.counts && prompt.created_at > from && prompt.approved_at().is_none()
        };
        let counted = || newest.iter().filter(is_counted).map(|prompt| prompt.created_at);
        let have = u32::try_from(counted().count()).unwrap_or(u32::MAX);
        (have, counted().max())
    }

    /// How long a pause of this level lasts.
    fn pause(&self, level: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(level.saturating_sub(1));
        self.first_pause.saturating_mul(doubled).min(self.longest_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PromptLimits = PromptLimits {
        most_pending: 0,
        most_in_a_row: 3,
        quiet_after: 2,
        window: Duration::from_secs(600),
        first_pause: Duration::from_secs(900),
        longest_pause: Duration::from_secs(3_000),
    };

    const ASKED: ChallengeSid = ChallengeSid::from_bytes([3; 16]);
    const OTHER: ChallengeSid = ChallengeSid::from_bytes([4; 16]);

    fn at(second: i64) -> Instant {
        Instant::from_seconds(1_767_268_800 + second)
    }

    fn pending(second: i64) -> Prompt {
        Prompt { created_at: at(second), state: ChallengeState::Pending, counts: true }
    }

    fn answered(second: i64, verdict: Verdict, answered: i64) -> Prompt {
        let state = ChallengeState::Answered { verdict, at: at(answered) };
        Prompt { created_at: at(second), state, counts: true }
    }

    fn paused(level: u32, until: i64, counts_from: i64) -> (Protection, Pause) {
        let pause = Pause { reason: PauseReason::InARow, level, until: Some(at(until)) };
        let counts_from = at(counts_from);
        (Protection { pause: Some(pause), cause: Some(ASKED), counts_from }, pause)
    }

    #[test]
    fn pending_expired_and_denied_challenges_count_alike() {
        let two = [answered(20, Verdict::Denied, 30), pending(10)];
        assert_eq!(LIMITS.decide(ASKED, at(500), None, &two), PromptDecision::Open);
        let three = [pending(40), two[0], two[1]];
        let (stored, pause) = paused(1, 50 + 900, 40);
        assert_eq!(
            LIMITS.decide(ASKED, at(50), None, &three),
            PromptDecision::Pause(stored, pause)
        );
        let (stored, pause) = paused(1, 609 + 900, 40);
        assert_eq!(
            LIMITS.decide(ASKED, at(609), None, &three),
            PromptDecision::Pause(stored, pause)
        );
        assert_eq!(
            LIMITS.decide(ASKED, at(610), None, &three),
            PromptDecision::Open,
            "the first is old"
        );
        assert_eq!(PromptLimits::OFF.decide(ASKED, at(50), None, &three), PromptDecision::Open);
    }

    #[test]
    fn a_challenge_after_so_many_that_were_not_approved_is_quiet() {
        let is_quiet = |now, stored, newest: &[Prompt]| LIMITS.is_quiet(at(now), stored, newest);
        let two = [answered(20, Verdict::Denied, 30), pending(10)];
        assert!(is_quiet(30, None, &two));
        assert!(!is_quiet(30, None, &two[..1]));
        assert!(!is_quiet(610, None, &two), "the first is old");
        let approved = [two[0], two[1], answered(5, Verdict::Approved, 25)];
        assert!(!is_quiet(40, None, &approved));
        let cleared = Protection { pause: None, cause: None, counts_from: at(15) };
        assert!(!is_quiet(40, Some(cleared), &two), "the application has cleared the first");
        let loud = PromptLimits { quiet_after: 0, ..LIMITS };
        assert!(!loud.is_quiet(at(30), None, &two));
        let looks = [(5, 2), (2, 5), (0, 5), (5, 0), (0, 0)].map(|(most_in_a_row, quiet_after)| {
            PromptLimits { most_in_a_row, quiet_after, ..LIMITS }.look()
        });
        assert_eq!(looks, [55, 55, 55, 55, 0]);
    }

    #[test]
    fn an_approval_clears_what_was_opened_before_it() {
        let approved = answered(5, Verdict::Approved, 35);
        let four = [pending(40), pending(30), pending(20), pending(10), approved];
        assert_eq!(LIMITS.decide(ASKED, at(50), None, &four), PromptDecision::Open);
        let approved = answered(5, Verdict::Approved, 15);
        let four = [pending(40), pending(30), pending(20), pending(10), approved];
        let (stored, pause) = paused(1, 50 + 900, 40);
        assert_eq!(LIMITS.decide(ASKED, at(50), None, &four), PromptDecision::Pause(stored, pause));
    }

    #[test]
    fn a_pause_holds_to_its_end_and_each_further_one_doubles_up_to_the_longest() {
        let three = |from: i64| [pending(from + 2), pending(from + 1), pending(from)];
        let (mut stored, pause) = paused(1, 1_000, 2);
        let early = LIMITS.decide(OTHER, at(999), Some(stored), &three(0));
        assert_eq!(early, PromptDecision::Paused(pause));
        let again = LIMITS.decide(ASKED, at(100), Some(stored), &three(0));
        assert_eq!(again, PromptDecision::Pause(stored, pause), "the one that began it");
        let after = LIMITS.decide(ASKED, at(1_000), Some(stored), &three(0));
        assert_eq!(after, PromptDecision::Open, "earlier challenges are not counted again");
        let mut now = 1_000;
        for (level, seconds) in [(2, 1_800), (3, 3_000), (4, 3_000)] {
            let (next, pause) = paused(level, now + 3 + seconds, now + 2);
            let decided = LIMITS.decide(ASKED, at(now + 3), Some(stored), &three(now));
            assert_eq!(decided, PromptDecision::Pause(next, pause));
            (stored, now) = (next, now + 3 + seconds);
        }
        let (stored, _) = paused(u32::MAX, 0, 0);
        let decided = LIMITS.decide(ASKED, at(10), Some(stored), &three(5));
        let PromptDecision::Pause(_, pause) = decided else { panic!("{decided:?}") };
        assert_eq!((pause.level, pause.until), (u32::MAX, Some(at(3_010))));
    }

    #[test]
    fn an_approval_after_the_last_counted_challenge_ends_the_pause_and_its_level() {
        let (stored, _) = paused(3, 1_000, 30);
        let newest = [pending(30), pending(20), answered(10, Verdict::Approved, 31)];
        assert_eq!(LIMITS.decide(ASKED, at(40), Some(stored), &newest), PromptDecision::Open);
        let after = [pending(52), pending(51), pending(50), newest[0], newest[1], newest[2]];
        let (next, pause) = paused(1, 60 + 900, 52);
        let decided = LIMITS.decide(ASKED, at(60), Some(stored), &after);
        assert_eq!(decided, PromptDecision::Pause(next, pause));
    }

    #[test]
    fn a_pause_for_another_reason_outlives_an_approval_and_holds_without_a_limit() {
        let approved = [answered(10, Verdict::Approved, 31)];
        for (reason, until) in
            [(PauseReason::Reported, Some(at(1_000))), (PauseReason::Application, None)]
        {
            let pause = Pause { reason, level: 0, until };
            let stored = Protection { pause: Some(pause), cause: None, counts_from: at(20) };
            for limits in [LIMITS, PromptLimits::OFF] {
                let decided = limits.decide(ASKED, at(40), Some(stored), &approved);
                assert_eq!(decided, PromptDecision::Paused(pause));
                assert_eq!(
                    limits.decide(ASKED, at(1_000), Some(stored), &approved),
                    match until {
                        Some(_) => PromptDecision::Open,
                        None => PromptDecision::Paused(pause),
                    }
                );
            }
        }
        let (stored, _) = paused(2, 1_000, 30);
        assert_eq!(
            PromptLimits::OFF.decide(ASKED, at(40), Some(stored), &[]),
            PromptDecision::Open
        );
    }

    #[test]
    fn a_reason_is_its_word() {
        for reason in [PauseReason::InARow, PauseReason::Reported, PauseReason::Application] {
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
        assert!("tired".parse::<PauseReason>().is_err());
    }
}
