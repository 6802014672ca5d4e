//! Makes a [`Clock`] of a shown time of day and the machine's monotonic clock.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Look, Sleep};

/// The longest single sleep before a clock is looked at again: a correction meanwhile delays nothing for longer.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// What shows a time, for [`Follower`] to make a clock of.
pub(super) trait Shows: Send + Sync + 'static {
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
pub(crate) struct Follower<T>(pub(super) Arc<T>);

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
