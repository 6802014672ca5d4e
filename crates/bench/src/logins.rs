//! The account of logins: when each was asked, shown, answered and told, and how it ended.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_phone::Verdict;
use tokio::time::sleep;

use crate::ledger::Sid;
use crate::stats::Histogram;

/// How often open logins are counted while they are waited for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The ending of a login's challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Approved,
    Denied,
    Expired,
}

/// A login whose request was accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) person: usize,
    /// The scheduled start of the application's request.
    pub(crate) start: Instant,
    /// The end of the challenge's life.
    pub(crate) end: Instant,
    /// Whether the person's device is off.
    pub(crate) is_away: bool,
}

/// The response to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted(Verdict),
    /// The challenge had expired.
    TooLate,
    /// None, or an unexpected one: the answer may count or not.
    Unknown,
}

/// One login, by its challenge.
#[derive(Default)]
struct Login {
    asked: Option<Asked>,
    /// When the prompt reached the device.
    shown: Option<Instant>,
    /// When the person tapped.
    tapped: Option<Instant>,
    answer: Option<Answer>,
    told: Option<Told>,
    /// The ending that the server's API shows.
    stored: Option<Ending>,
}

/// The first event of a login.
struct Told {
    uuid: u128,
    ending: Ending,
    at: Instant,
    /// Calls with the same event again, which webhooks permit.
    again: u64,
    /// Calls with another event.
    others: u64,
}

/// All logins.
#[derive(Default)]
pub(crate) struct Logins {
    all: Mutex<HashMap<Sid, Login>>,
    failure: Mutex<Option<String>>,
}

/// The results of all logins. Latencies are without the time that people take.
#[derive(Default)]
pub(crate) struct Outcome {
    /// From the request to the prompt.
    pub(crate) shown: Histogram,
    /// From the tap to the webhook.
    pub(crate) told: Histogram,
    /// Both, of the same login.
    pub(crate) both: Histogram,
    /// From the end of an unanswered challenge to the webhook.
    pub(crate) expiry: Histogram,
    pub(crate) approved: u64,
    pub(crate) denied: u64,
    pub(crate) expired: u64,
    /// Answers after the end of the challenge.
    pub(crate) too_late: u64,
    /// Events that came again.
    pub(crate) again: u64,
    pub(crate) faults: Faults,
    /// The first answer that failed.
    pub(crate) failure: Option<String>,
}

/// Logins that went wrong.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Faults {
    /// Without an event.
    pub(crate) not_told: u64,
    /// With two different events.
    pub(crate) told_twice: u64,
    /// With an event that does not tell what became of the answer.
    pub(crate) told_wrong: u64,
    /// With another ending in the API than in the event.
    pub(crate) stored_otherwise: u64,
    /// Events and prompts of challenges that no response named.
    pub(crate) not_asked: u64,
    /// Prompts that did not reach a connected device.
    pub(crate) not_shown: u64,
}

impl Logins {
    fn all(&self) -> MutexGuard<'_, HashMap<Sid, Login>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The application's request was accepted.
    pub(crate) fn asked(&self, challenge: Sid, asked: Asked) {
        self.all().entry(challenge).or_default().asked = Some(asked);
    }

    /// The device has the prompt. Returns whether it was the first time.
    pub(crate) fn shown(&self, challenge: Sid, at: Instant) -> bool {
        let mut all = self.all();
        let login = all.entry(challenge).or_default();
        let is_first = login.shown.is_none();
        login.shown.get_or_insert(at);
        is_first
    }

    /// The person taps.
    pub(crate) fn tapped(&self, challenge: Sid, at: Instant) {
        self.all().entry(challenge).or_default().tapped = Some(at);
    }

    /// The server has responded to the answer.
    pub(crate) fn answered(&self, challenge: Sid, answer: Answer) {
        self.all().entry(challenge).or_default().answer = Some(answer);
    }

    /// An answer failed: an unexpected response, or none.
    pub(crate) fn failed(&self, what: String) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
    }

    /// The application is told how the login ended.
    pub(crate) fn told(&self, challenge: Sid, uuid: u128, ending: Ending, at: Instant) {
        let mut all = self.all();
        match &mut all.entry(challenge).or_default().told {
            Some(told) if told.uuid == uuid => told.again += 1,
            Some(told) => told.others += 1,
            first => *first = Some(Told { uuid, ending, at, again: 0, others: 0 }),
        }
    }

    /// The server's API shows how the login ended; `None` if it has not.
    pub(crate) fn stored(&self, challenge: Sid, ending: Option<Ending>) {
        self.all().entry(challenge).or_default().stored = ending;
    }

    /// The numbers of logins that were asked, and of those that are open.
    pub(crate) fn count(&self) -> (usize, usize) {
        let all = self.all();
        let asked = all.values().filter(|login| login.asked.is_some());
        (asked.clone().count(), asked.filter(|login| login.is_open()).count())
    }

    /// Waits until every login was told, and every answer has its response.
    pub(crate) async fn all_told(&self) {
        while self.count().1 > 0 {
            sleep(LOOK_EVERY).await;
        }
    }

    /// The challenges of all logins, with the person of each.
    pub(crate) fn challenges(&self) -> Vec<(Sid, usize)> {
        let all = self.all();
        all.iter().filter_map(|(sid, login)| Some((*sid, login.asked?.person))).collect()
    }

    /// The account of all logins, and the latencies of those that were asked after `from`.
    pub(crate) fn outcome(&self, from: Instant) -> Outcome {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut outcome = Outcome { failure, ..Outcome::default() };
        for login in self.all().values() {
            let Some(asked) = login.asked else {
                outcome.faults.not_asked += 1;
                continue;
            };
            outcome.count(login, asked);
            if asked.start >= from {
                outcome.record(login, asked);
            }
        }
        outcome
    }
}

impl Login {
    fn is_open(&self) -> bool {
        self.told.is_none() || self.tapped.is_some() && self.answer.is_none()
    }

    /// Whether this ending follows from the response to the answer.
    fn may_end(&self, ending: Ending) -> bool {
        match self.answer {
            Some(Answer::Accepted(Verdict::Approved)) => ending == Ending::Approved,
            Some(Answer::Accepted(Verdict::Denied)) => ending == Ending::Denied,
            Some(Answer::TooLate) | None => ending == Ending::Expired,
            Some(Answer::Unknown) => true,
        }
    }
}

impl Outcome {
    /// Counts how a login ended, and what is wrong with it.
    fn count(&mut self, login: &Login, asked: Asked) {
        self.too_late += u64::from(login.answer == Some(Answer::TooLate));
        self.faults.not_shown += u64::from(!asked.is_away && login.shown.is_none());
        let Some(told) = &login.told else {
            self.faults.not_told += 1;
            return;
        };
        match told.ending {
            Ending::Approved => self.approved += 1,
            Ending::Denied => self.denied += 1,
            Ending::Expired => self.expired += 1,
        }
        self.again += told.again;
        self.faults.told_twice += u64::from(told.others > 0);
        self.faults.told_wrong += u64::from(!login.may_end(told.ending));
        self.faults.stored_otherwise += u64::from(login.stored != Some(told.ending));
    }

    /// Records the latencies of a login.
    fn record(&mut self, login: &Login, asked: Asked) {
        let shown = login.shown.map(|at| at.saturating_duration_since(asked.start));
        let told = login.told.as_ref();
        let answer = match login.answer {
            Some(Answer::Accepted(_)) => login.tapped.zip(told),
            Some(Answer::TooLate | Answer::Unknown) | None => None,
        };
        let after_tap = answer.map(|(tapped, told)| told.at.saturating_duration_since(tapped));
        shown.iter().for_each(|took| self.shown.record(*took));
        after_tap.iter().for_each(|took| self.told.record(*took));
        shown.zip(after_tap).iter().for_each(|(one, other)| self.both.record(*one + *other));
        if let Some(told) = told.filter(|told| told.ending == Ending::Expired) {
            self.expiry.record(told.at.saturating_duration_since(asked.end));
        }
    }
}

impl Faults {
    /// Each kind, with its name. Whether a prompt arrived while its challenge lived depends on time, which counts if
    /// `is_timed`.
    pub(crate) const fn named(&self, is_timed: bool) -> [(u64, &'static str); 6] {
        let not_shown = if is_timed { self.not_shown } else { 0 };
        [
            (self.not_told, "not told"),
            (self.told_twice, "told twice"),
            (self.told_wrong, "told wrong"),
            (self.stored_otherwise, "with another status than told"),
            (self.not_asked, "told or shown, and not asked"),
            (not_shown, "not shown on a connected device"),
        ]
    }
}

impl Ending {
    /// By the word of the API and of events; `None` for others.
    pub(crate) fn named(word: &str) -> Option<Self> {
        match word {
            "approved" => Some(Self::Approved),
            "denied" => Some(Self::Denied),
            "expired" => Some(Self::Expired),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logins on a clock that counts milliseconds.
    struct Scene {
        begin: Instant,
        logins: Logins,
    }

    impl Scene {
        fn new() -> Self {
            Self { begin: Instant::now(), logins: Logins::default() }
        }

        fn at(&self, millis: u64) -> Instant {
            self.begin + Duration::from_millis(millis)
        }

        /// A login that starts at `start` and lives for a second.
        fn ask(&self, sid: Sid, start: u64, is_away: bool) {
            let (start, end) = (self.at(start), self.at(start + 1_000));
            self.logins.asked(sid, Asked { person: 0, start, end, is_away });
        }

        /// Shown at once, tapped after 500 ms, accepted.
        fn accept(&self, sid: Sid, verdict: Verdict) {
            assert!(self.logins.shown(sid, self.at(4)) && !self.logins.shown(sid, self.at(5)));
            self.logins.tapped(sid, self.at(500));
            self.logins.answered(sid, Answer::Accepted(verdict));
        }

        /// Told and stored.
        fn end(&self, sid: Sid, ending: Ending, at: u64) {
            self.logins.told(sid, sid, ending, self.at(at));
            self.logins.stored(sid, Some(ending));
        }
    }

    #[test]
    fn the_time_to_think_does_not_count() {
        let scene = Scene::new();
        scene.ask(1, 0, false);
        scene.accept(1, Verdict::Approved);
        assert_eq!(scene.logins.count(), (1, 1));
        scene.end(1, Ending::Approved, 506);
        scene.ask(2, 1, true);
        scene.end(2, Ending::Expired, 1_021);
        assert_eq!(scene.logins.count(), (2, 0));

        let outcome = scene.logins.outcome(scene.begin);
        assert_eq!(outcome.faults, Faults::default());
        assert_eq!((outcome.approved, outcome.denied, outcome.expired), (1, 0, 1));
        let read = [&outcome.shown, &outcome.told, &outcome.both, &outcome.expiry];
        for (histogram, millis) in read.into_iter().zip([4.0, 6.0, 10.0, 20.0]) {
            assert_eq!(histogram.count(), 1);
            let longest = histogram.longest_ms();
            assert!((longest - millis).abs() <= millis / 50.0, "{longest} for {millis}");
        }
        let later = scene.logins.outcome(scene.at(1));
        assert_eq!((later.both.count(), later.expiry.count(), later.approved), (0, 1, 1));
    }

    #[test]
    fn whatever_went_wrong_is_counted() {
        let scene = Scene::new();
        for sid in 1..=5 {
            scene.ask(sid, 0, false);
        }
        for sid in 1..=4 {
            scene.accept(sid, Verdict::Denied);
        }
        scene.end(2, Ending::Denied, 600);
        scene.logins.told(2, 77, Ending::Denied, scene.at(601));
        scene.end(3, Ending::Approved, 600);
        scene.logins.told(4, 4, Ending::Denied, scene.at(600));
        scene.end(5, Ending::Expired, 1_005);
        scene.end(6, Ending::Expired, 1_005);
        let faults = Faults {
            not_told: 1,
            told_twice: 1,
            told_wrong: 1,
            stored_otherwise: 1,
            not_asked: 1,
            not_shown: 1,
        };
        assert_eq!(scene.logins.outcome(scene.begin).faults, faults);
        assert_eq!(faults.named(true).map(|(count, _)| count), [1; 6]);
        assert_eq!(faults.named(false).map(|(count, _)| count), [1, 1, 1, 1, 1, 0]);
    }

    #[test]
    fn an_event_may_come_again_and_an_answer_too_late() {
        let scene = Scene::new();
        scene.ask(1, 0, false);
        scene.logins.shown(1, scene.at(4));
        scene.logins.tapped(1, scene.at(1_001));
        scene.logins.answered(1, Answer::TooLate);
        scene.end(1, Ending::Expired, 1_002);
        scene.end(1, Ending::Expired, 6_000);
        let outcome = scene.logins.outcome(scene.begin);
        assert_eq!(outcome.faults, Faults::default());
        assert_eq!((outcome.again, outcome.too_late, outcome.expired), (1, 1, 1));
        assert_eq!((outcome.told.count(), outcome.expiry.count()), (0, 1));
    }
}
