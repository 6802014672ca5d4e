//! What a clock shows, as an offset from the machine's monotonic clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;

/// What a clock shows at the origin of a monotonic hand, in microseconds. May be negative, where [`Instant`] may not.
#[derive(Debug)]
pub(super) struct Origin(AtomicI64);

impl Origin {
    /// Of a clock that shows `now` at `at`.
    pub(super) fn of(now: Instant, at: Monotonic) -> Self {
        Self(AtomicI64::new(Self::between(now, at)))
    }

    fn between(now: Instant, at: Monotonic) -> i64 {
        now.as_micros().saturating_sub(micros(at.since_origin()))
    }

    /// What the clock shows at `at`.
    pub(super) fn at(&self, at: Monotonic) -> Instant {
        Instant::from_micros(self.micros().saturating_add(micros(at.since_origin())))
    }

    pub(super) fn micros(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// How far a clock that shows `now` at `at` is ahead of this one, in microseconds.
    pub(super) fn behind(&self, now: Instant, at: Monotonic) -> i64 {
        Self::between(now, at).saturating_sub(self.micros())
    }

    /// The least correction after which this clock agrees with another one, which showed `now` at some instant between
    /// `asked` and `answered`; 0 if it agrees already.
    pub(super) fn correction(&self, now: Instant, asked: Monotonic, answered: Monotonic) -> i64 {
        self.behind(now, answered).max(0) + self.behind(now, asked).min(0)
    }

    /// Moves the clock from what it was seen to show, unless another thread has moved it since.
    pub(super) fn correct(&self, seen: i64, by: i64) {
        let to = seen.saturating_add(by);
        let _ = self.0.compare_exchange(seen, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(super) fn set(&self, now: Instant, at: Monotonic) {
        self.0.store(Self::between(now, at), Ordering::Relaxed);
    }
}

pub(super) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// For logs and metrics.
#[expect(clippy::cast_precision_loss, reason = "a person reads it")]
pub(super) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1_000_000.0
}

/// Counts a jump of a clock: the machine's, or the one that is shown.
pub(super) fn count_jump(of: &'static str) {
    metrics::counter!("countersign_clock_jumps_total", "clock" => of).increment(1);
}
