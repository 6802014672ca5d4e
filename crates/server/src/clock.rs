//! The clocks that deadlines are judged by. None of them jumps when the machine's clock is set.
//!
//! Both add up the time since their last reading on the machine's monotonic hand. [`DatabaseClock`] is read off PostgreSQL's
//! clock, which is one for all nodes; [`SteadyClock`] off the machine's own, for SQLite, where there is no other.

mod database;
mod steady;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Look, Sleep};

pub(crate) use database::{DatabaseClock, read};
pub(crate) use steady::SteadyClock;

/// The longest single sleep before a clock is looked at again: a correction meanwhile delays nothing for longer.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// What shows a time, for [`Follower`] to make a clock of.
trait Shows: Send + Sync + 'static {
    /// The clock of the machine, by whose monotonic hand is waited.
    fn machine(&self) -> &dyn Clock;

    /// The shown time.
    fn now(&self) -> Instant;

    /// As [`Clock::is_doubtful`].
    fn is_doubtful(&self) -> bool {
        false
    }

    /// As [`Clock::checked`].
    fn checked(self: Arc<Self>) -> Look {
        let now = self.now();
        Box::pin(std::future::ready(Some(now)))
    }
}

/// A clock that shows another time of day than its machine.
pub(crate) struct Follower<T>(Arc<T>);

impl<T: Shows> Clock for Follower<T> {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn monotonic(&self) -> Monotonic {
        self.0.machine().monotonic()
    }

    fn sleep(&self, span: Duration) -> Sleep {
        self.0.machine().sleep(span)
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        let shown = Arc::clone(&self.0);
        Box::pin(async move {
            loop {
                let left = at.since(shown.now());
                if left.is_zero() {
                    return;
                }
                shown.machine().sleep(left.min(LONGEST_NAP)).await;
            }
        })
    }

    fn is_doubtful(&self) -> bool {
        self.0.is_doubtful()
    }

    fn checked(&self) -> Look {
        Arc::clone(&self.0).checked()
    }
}

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
