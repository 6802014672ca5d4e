//! The account of logins: when each was asked, shown, answered and told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::ledger::Sid;
use crate::stats::Histogram;

/// One login, by its challenge.
#[derive(Default)]
struct Login {
    /// The scheduled start of the application's request, and whether the person has a connected device.
    asked: Option<(Instant, bool)>,
    /// When the prompt reached the device.
    shown: Option<Instant>,
    /// When the person tapped.
    answered: Option<Instant>,
    /// When the webhook was called.
    told: Option<Instant>,
}

/// All logins.
#[derive(Default)]
pub(crate) struct Logins {
    all: Mutex<HashMap<Sid, Login>>,
    failure: Mutex<Option<String>>,
    changed: Notify,
}

/// The latencies of all logins, without the time that people think.
#[derive(Default)]
pub(crate) struct Outcome {
    /// From the request to the prompt.
    shown: Histogram,
    /// From the tap to the webhook.
    told: Histogram,
    /// Both, of the same login.
    both: Histogram,
    /// Logins of connected devices that were not shown.
    pub(crate) not_shown: u64,
    /// Shown logins that were not told.
    pub(crate) not_told: u64,
    /// The first answer that failed.
    pub(crate) failure: Option<String>,
}

impl Logins {
    fn of(&self) -> MutexGuard<'_, HashMap<Sid, Login>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The application's request was accepted.
    pub(crate) fn asked(&self, challenge: Sid, start: Instant, is_connected: bool) {
        self.of().entry(challenge).or_default().asked = Some((start, is_connected));
    }

    /// The device has the prompt. Returns whether it was the first time.
    pub(crate) fn shown(&self, challenge: Sid, at: Instant) -> bool {
        let mut all = self.of();
        let login = all.entry(challenge).or_default();
        let is_first = login.shown.is_none();
        login.shown.get_or_insert(at);
        is_first
    }

    /// The person tapped.
    pub(crate) fn answered(&self, challenge: Sid, at: Instant) {
        self.of().entry(challenge).or_default().answered.get_or_insert(at);
    }

    /// The application was told. Returns whether it was the first time.
    pub(crate) fn told(&self, challenge: Sid, at: Instant) -> bool {
        let is_first = self.of().entry(challenge).or_default().told.replace(at).is_none();
        self.changed.notify_one();
        is_first
    }

    /// A device could not answer.
    pub(crate) fn failed(&self, what: String) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
    }

    /// Waits until every login of a connected device was told.
    pub(crate) async fn all_told(&self) {
        loop {
            let open = |login: &&Login| {
                login.told.is_none() && login.asked.is_some_and(|(_, is_connected)| is_connected)
            };
            if self.of().values().find(open).is_none() {
                return;
            }
            // Looks at all of them a few times per second at the most.
            self.changed.notified().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The latencies of the logins that were asked after `from`.
    pub(crate) fn outcome(&self, from: Instant) -> Outcome {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut outcome = Outcome { failure, ..Outcome::default() };
        for login in self.of().values() {
            let Some((start, is_connected)) = login.asked else { continue };
            if start < from || !is_connected {
                continue;
            }
            let shown = login.shown.map(|at| at.saturating_duration_since(start));
            let told = login.answered.zip(login.told);
            let told = told.map(|(answered, told)| told.saturating_duration_since(answered));
            outcome.not_shown += u64::from(shown.is_none());
            outcome.not_told += u64::from(shown.is_some() && told.is_none());
            shown.iter().for_each(|took| outcome.shown.record(*took));
            told.iter().for_each(|took| outcome.told.record(*took));
            shown.zip(told).iter().for_each(|(one, other)| outcome.both.record(*one + *other));
        }
        outcome
    }
}

impl Outcome {
    /// The quantiles, in milliseconds.
    pub(crate) fn readings(&self) -> Vec<(&'static str, f64)> {
        let columns = [
            (&self.shown, ["shown p50 ms", "shown p99 ms", "shown p99.9 ms"]),
            (&self.told, ["told p50 ms", "told p99 ms", "told p99.9 ms"]),
            (&self.both, ["both p50 ms", "both p99 ms", "both p99.9 ms"]),
        ];
        let mut readings = Vec::new();
        for (histogram, names) in columns {
            for (name, share) in names.into_iter().zip([0.5, 0.99, 0.999]) {
                readings.extend(histogram.quantile_ms(share).map(|ms| (name, ms)));
            }
        }
        readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_think_does_not_count_and_what_is_missing_does() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let logins = Logins::default();
        logins.asked(1, at(0), true);
        logins.shown(1, at(4));
        logins.answered(1, at(5_000));
        assert!(logins.told(1, at(5_006)) && !logins.told(1, at(5_007)));
        logins.asked(2, at(1), false);
        logins.asked(3, at(2), true);
        logins.asked(4, at(3), true);
        logins.shown(4, at(9));
        logins.answered(4, at(10));
        let outcome = logins.outcome(begin);
        assert_eq!((outcome.not_shown, outcome.not_told), (1, 1));
        let both = outcome.both.longest_ms();
        assert!((10.0..12.0).contains(&both), "{both}");
        assert_eq!((outcome.shown.count(), outcome.told.count(), outcome.both.count()), (2, 1, 1));
    }
}
