//! The instant of the next poll.
//!
//! It is monotonic, so that setting back the time of day delays no poll.

use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use tokio::sync::watch;

/// An alarm that any task may set to an earlier time.
#[derive(Debug)]
pub(crate) struct Alarm(watch::Sender<Monotonic>);

impl Alarm {
    /// An alarm that rings at once.
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        Self(watch::Sender::new(clock.monotonic()))
    }

    /// Sets the alarm to ring after `span`, replacing its earlier setting.
    pub(crate) fn set(&self, clock: &dyn Clock, span: Duration) {
        self.0.send_replace(clock.monotonic() + span);
    }

    /// Sets the alarm to the time of day `at`, converted by the present clocks, unless it rings earlier anyway.
    pub(crate) fn earlier(&self, clock: &dyn Clock, at: Instant) {
        let at = clock.monotonic() + at.since(clock.now());
        self.0.send_if_modified(|set| {
            let is_earlier = at < *set;
            if is_earlier {
                *set = at;
            }
            is_earlier
        });
    }

    /// Waits until the alarm rings.
    pub(crate) async fn rings(&self, clock: &dyn Clock) {
        let mut set = self.0.subscribe();
        loop {
            let at = *set.borrow_and_update();
            tokio::select! {
                biased;
                () = clock.sleep(at.since(clock.monotonic())) => return,
                // Cannot fail: the sender lives as long as `self`.
                _ = set.changed() => {}
            }
        }
    }
}
