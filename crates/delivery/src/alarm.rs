//! When the next look for due deliveries is worth it.

use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use tokio::sync::watch;

/// An alarm clock that anybody may set to an earlier time.
#[derive(Debug)]
pub(crate) struct Alarm(watch::Sender<Instant>);

impl Alarm {
    pub(crate) fn new(at: Instant) -> Self {
        Self(watch::Sender::new(at))
    }

    /// Sets it, whatever it was set to.
    pub(crate) fn set(&self, at: Instant) {
        self.0.send_replace(at);
    }

    /// Sets it unless it rings sooner anyway.
    pub(crate) fn earlier(&self, at: Instant) {
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
                () = clock.sleep_until(at) => return,
                // Cannot fail: the sender lives as long as `self`.
                _ = set.changed() => {}
            }
        }
    }
}
