//! When the next look for due deliveries is worth it.
//!
//! It rings by the monotonic clock, so that one whose time of day is set back does not sleep for as long as that was ahead.

use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use tokio::sync::watch;

/// An alarm clock that anybody may set to an earlier time.
#[derive(Debug)]
pub(crate) struct Alarm(watch::Sender<Monotonic>);

impl Alarm {
    /// One that rings at once.
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        Self(watch::Sender::new(clock.monotonic()))
    }

    /// Sets it to ring after `span`, whatever it was set to.
    pub(crate) fn set(&self, clock: &dyn Clock, span: Duration) {
        self.0.send_replace(clock.monotonic() + span);
    }

    /// Has it ring when the time of day is `at`, as far as is known now, unless it rings sooner anyway.
    pub(crate) fn earlier(&self, clock: &dyn Clock, at: Instant) {
        let at = clock.monotonic() + at.since(clock.now());
        self.0.send_if_modified(|set| {
            let sooner = at < *set;
            if sooner {
                *set = at;
            }
            sooner
        });
    }

    /// Waits until it rings.
    pub(crate) async fn rings(&self, clock: &dyn Clock) {
        let mut set = self.0.subscribe();
        loop {
            let at = *set.borrow_and_update();
            tokio::select! {
                () = clock.sleep(at.since(clock.monotonic())) => return,
                // Cannot fail: the sender lives as long as `self`.
                _ = set.changed() => {}
            }
        }
    }
}
