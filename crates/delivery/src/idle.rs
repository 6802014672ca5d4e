//! Waits until the engine has nothing to do, for tests and for a clock that a tester moves.

use countersign_bus::HandOver;

use crate::engine::Engine;
use crate::signals::Counts;

impl Engine {
    /// Waits until all deliveries that are handed over, due, parked for a connected device or in flight have been settled,
    /// and webhooks have been called about them. A retry that is due later does not count; an attempt
    /// without a response from its provider, device or application does. Returns at once if the engine has stopped.
    pub async fn idle(&self) {
        let progress = |counts: Counts| (counts.begun, counts.replayed, counts.called);
        let idle = async {
            loop {
                let before = progress(self.signals.counts());
                let queued = self.handover.sent();
                self.signals.wait_for(|counts| counts.taken >= queued).await;
                self.tasks.wait().await;
                self.poll_twice(HandOver::wake, |counts| counts.polled).await;
                self.tasks.wait().await;
                self.poll_twice(HandOver::happened, |counts| counts.polled_calls).await;
                self.tasks.wait().await;
                if progress(self.signals.counts()) == before {
                    return;
                }
            }
        };
        self.tasks.stop().run_until_cancelled(idle).await;
    }

    /// How many attempts, replays and calls are in flight.
    pub fn in_flight(&self) -> usize {
        self.tasks.count()
    }

    /// Has a duty poll twice: the first poll may have begun before this call, the second has not.
    async fn poll_twice(&self, wake: impl Fn(&HandOver), polls: impl Fn(&Counts) -> u64) {
        for _ in 0..2 {
            let before = polls(&self.signals.counts());
            wake(&self.handover);
            self.signals.wait_for(|counts| polls(counts) > before).await;
        }
    }
}
