//! A [`Clock`] made of a source of the time of day and the machine's monotonic clock.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::{CheckedTime, Clock, Sleep};

/// The longest single sleep. The clock is read again after it, so a correction meanwhile delays nothing for longer.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// A source of the time of day for [`SourceClock`].
pub(super) trait TimeSource: Send + Sync + 'static {
    /// The machine's clock, whose monotonic time is waited by.
    fn machine(&self) -> &dyn Clock;

    /// The time of day.
    fn now(&self) -> Instant;

    /// As [`Clock::is_doubtful`].
    fn is_doubtful(&self) -> bool {
        false
    }

    /// As [`Clock::checked`].
    fn checked(self: Arc<Self>) -> CheckedTime {
        let now = self.now();
        Box::pin(std::future::ready(Some(now)))
    }
}

/// A clock whose time of day is not the machine's.
pub(crate) struct SourceClock<T>(pub(super) Arc<T>);

impl<T: TimeSource> Clock for SourceClock<T> {
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
                shown.machine().sleep(left.min(SLEEP_MAX)).await;
            }
        })
    }

    fn is_doubtful(&self) -> bool {
        self.0.is_doubtful()
    }

    fn machine_ahead(&self) -> i64 {
        let machine = self.0.machine().now().as_micros();
        machine.saturating_sub(self.now().as_micros()) / 1_000
    }

    fn checked(&self) -> CheckedTime {
        Arc::clone(&self.0).checked()
    }
}
