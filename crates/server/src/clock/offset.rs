//! A time of day as an offset from the machine's monotonic clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;

/// The time of day at the origin of the monotonic clock, in microseconds. May be negative, unlike an [`Instant`].
#[derive(Debug)]
pub(super) struct ClockOffset(AtomicI64);

impl ClockOffset {
    /// The offset of a clock that shows `now` at `at`.
    pub(super) fn of(now: Instant, at: Monotonic) -> Self {
        Self(AtomicI64::new(Self::between(now, at)))
    }

    fn between(now: Instant, at: Monotonic) -> i64 {
        now.as_micros().saturating_sub(micros(at.since_origin()))
    }

    /// The time of day at `at`.
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

    /// The smallest correction, in microseconds, that makes this clock agree with another one that showed `now` at
    /// some instant between `asked` and `answered`; 0 if both agree.
    pub(super) fn correction(&self, now: Instant, asked: Monotonic, answered: Monotonic) -> i64 {
        self.behind(now, answered).max(0) + self.behind(now, asked).min(0)
    }

    /// Moves the clock by `by`, unless another thread has moved it since it was `seen`.
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

/// Seconds, for logs and metrics.
#[expect(clippy::cast_precision_loss, reason = "a person reads it")]
pub(super) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1_000_000.0
}

/// Counts a jump of the machine's clock, or of the clock that is shown.
pub(super) fn count_jump(of: &'static str) {
    metrics::counter!("countersign_clock_jumps_total", "clock" => of).increment(1);
}
