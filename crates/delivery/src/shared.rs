//! What the duties of one engine share.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::{Bus, HandOver, Leased};
use countersign_domain::delivery::{Lease, NodeId};
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Entropy, random};
use countersign_providers::Providers;
use countersign_providers::webhook::WebhookCaller;
use countersign_store::seam::{Calls, Deliveries, Upkeep};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::alarm::Alarm;
use crate::gates::Gates;
use crate::metrics;
use crate::options::Options;
use crate::replay::Replays;
use crate::settler::Results;
use crate::signals::Signals;
use crate::visits::Visits;

pub(crate) struct Shared {
    pub(crate) deliveries: Arc<dyn Deliveries + Send + Sync>,
    pub(crate) calls: Arc<dyn Calls + Send + Sync>,
    pub(crate) webhooks: Arc<dyn WebhookCaller>,
    pub(crate) upkeep: Arc<dyn Upkeep + Send + Sync>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) providers: Arc<Providers>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) handover: HandOver,
    pub(crate) node: NodeId,
    pub(crate) options: Options,
    pub(crate) signals: Signals,
    pub(crate) gates: Gates,
    pub(crate) visits: Visits,
    pub(crate) replays: Replays,
    pub(crate) alarm: Alarm,
    pub(crate) results: Results,
    pub(crate) room: Arc<Semaphore>,
    /// Attempts and replays.
    pub(crate) tasks: TaskTracker,
    /// Take nothing new.
    pub(crate) stop: CancellationToken,
    /// Let go of everything.
    pub(crate) kill: CancellationToken,
}

/// A delivery to begin with.
pub(crate) struct Start {
    pub(crate) leased: Leased,
    /// The room for it.
    pub(crate) hold: Hold,
}

/// Room in hand for one delivery, from before it is leased until what became of it is committed.
pub(crate) struct Hold(OwnedSemaphorePermit);

impl Hold {
    /// Room for each of these, as far as there is any; what is left is free again.
    pub(crate) fn share(mut self, leases: Vec<Lease>) -> Vec<Start> {
        let share = |lease| {
            let leased = Leased { lease, known: None };
            Some(Start { leased, hold: Self(self.0.split(1)?) })
        };
        leases.into_iter().filter_map(share).collect()
    }
}

impl From<OwnedSemaphorePermit> for Hold {
    fn from(room: OwnedSemaphorePermit) -> Self {
        Self(room)
    }
}

/// A delivery in hand, for the gauge.
pub(crate) struct InHand(#[expect(dead_code, reason = "held for its drop")] Hold);

impl InHand {
    pub(crate) fn new(hold: Hold) -> Self {
        metrics::in_hand(true);
        Self(hold)
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        metrics::in_hand(false);
    }
}

impl Shared {
    /// Room for one delivery; `None` if the engine stops before there is any.
    pub(crate) async fn room_for_one(&self) -> Option<Hold> {
        let room = Arc::clone(&self.room).acquire_owned();
        let room = self.stop.run_until_cancelled(room).await?;
        room.ok().map(Hold)
    }

    /// Room for one delivery and up to `most` in all, as far as there is any; and for how many.
    pub(crate) async fn room_for(&self, most: usize) -> Option<(Hold, usize)> {
        let mut hold = self.room_for_one().await?;
        let more = most.min(self.room.available_permits() + 1).saturating_sub(1);
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let Ok(rest) = Arc::clone(&self.room).try_acquire_many_owned(more) else {
            return Some((hold, 1));
        };
        hold.0.merge(rest);
        let all = hold.0.num_permits();
        Some((hold, all))
    }

    /// How many deliveries are in hand.
    pub(crate) fn in_hand(&self) -> usize {
        self.options.in_hand.saturating_sub(self.room.available_permits())
    }

    /// The present instant, compared with the clock that this one follows if it is doubtful and that can be asked.
    pub(crate) async fn time(&self) -> Instant {
        let now = self.clock.now();
        if self.clock.is_doubtful() { self.clock.checked().await.unwrap_or(now) } else { now }
    }

    /// Until when a lease taken at `now` runs.
    pub(crate) fn lease_until(&self, now: Instant) -> Instant {
        now + self.options.lease
    }

    /// Any number.
    pub(crate) fn jitter(&self) -> u32 {
        u32::from_le_bytes(random(&*self.entropy))
    }

    /// `span`, a random tenth shorter or longer, so that nodes that started together do not stay together.
    pub(crate) fn about(&self, span: Duration) -> Duration {
        let share = f64::from(self.jitter()) / f64::from(u32::MAX);
        span.mul_f64(0.9 + share / 5.0)
    }

    /// Waits before the next try after `failures` of them (1 or more): 50 ms, doubling up to 5 s.
    pub(crate) async fn pause(&self, failures: u32) {
        self.clock.sleep(self.about(pause(failures))).await;
    }
}

/// The pause after so many failures in a row of a database.
fn pause(failures: u32) -> Duration {
    let whole = Duration::from_millis(50) * (1 << failures.saturating_sub(1).min(10));
    whole.min(Duration::from_secs(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stop_growing() {
        let millis = |failures| pause(failures).as_millis();
        assert_eq!([1, 2, 7, 8, 40].map(millis), [50, 100, 3_200, 5_000, 5_000]);
    }
}
