//! The clocks that deadlines are judged by. None of them jumps when the machine's clock is set.
//!
//! Both add up the time since their last reading on the machine's monotonic hand. [`DatabaseClock`] is read off PostgreSQL's
//! clock, which is one for all nodes; [`SteadyClock`] off the machine's own, for SQLite, where there is no other.

mod database;
mod steady;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;

pub(crate) use database::{DatabaseClock, read};
pub(crate) use steady::SteadyClock;

/// The longest single sleep before a clock is looked at again: a correction meanwhile delays nothing for longer.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// What a clock shows at the origin of a monotonic hand, in microseconds. May be negative, where [`Instant`] may not.
#[derive(Debug)]
struct Origin(AtomicI64);

impl Origin {
    /// Of a clock that shows `now` at `at`.
    fn of(now: Instant, at: Monotonic) -> Self {
        Self(AtomicI64::new(Self::between(now, at)))
    }

    fn between(now: Instant, at: Monotonic) -> i64 {
        now.as_micros().saturating_sub(micros(at.since_origin()))
    }

    /// What the clock shows at `at`.
    fn at(&self, at: Monotonic) -> Instant {
        Instant::from_micros(self.micros().saturating_add(micros(at.since_origin())))
    }

    fn micros(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// How far a clock that shows `now` at `at` is ahead of this one, in microseconds.
    fn behind(&self, now: Instant, at: Monotonic) -> i64 {
        Self::between(now, at).saturating_sub(self.micros())
    }

    /// The least correction after which this clock agrees with another one, which showed `now` at some instant between
    /// `asked` and `answered`; 0 if it agrees already.
    fn correction(&self, now: Instant, asked: Monotonic, answered: Monotonic) -> i64 {
        self.behind(now, answered).max(0) + self.behind(now, asked).min(0)
    }

    /// Moves the clock from what it was seen to show, unless another thread has moved it since.
    fn correct(&self, seen: i64, by: i64) {
        let to = seen.saturating_add(by);
        let _ = self.0.compare_exchange(seen, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn set(&self, now: Instant, at: Monotonic) {
        self.0.store(Self::between(now, at), Ordering::Relaxed);
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// For logs and metrics.
#[expect(clippy::cast_precision_loss, reason = "a person reads it")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1_000_000.0
}

/// Counts a jump of a clock: the machine's, or the one that is shown.
fn count_jump(of: &'static str) {
    metrics::counter!("countersign_clock_jumps_total", "clock" => of).increment(1);
}
