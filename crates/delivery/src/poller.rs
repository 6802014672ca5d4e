//! Leases due deliveries: those that were born without a slot in the queue, retries, and those of dead nodes.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::node::NodeId;
use countersign_store::error::StoreResult;
use countersign_store::seam::Deliveries;
use tokio::sync::Notify;

use crate::alarm::Alarm;
use crate::attempt::{Attempts, Start};
use crate::capacity::Capacity;
use crate::metrics;
use crate::signals::Signals;
use crate::tasks::Tasks;
use crate::timing::Timing;

/// Deliveries that one command leases at most.
const BATCH: usize = 256;
/// The shortest time between two polls, unless one is requested. An overdue delivery that is not swept yet counts as due,
/// and is not leased.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(20);

/// The duty that leases due deliveries.
pub(crate) struct Poller {
    pub(crate) deliveries: Arc<dyn Deliveries + Send + Sync>,
    pub(crate) node: NodeId,
    pub(crate) lease: Duration,
    pub(crate) interval: Duration,
    pub(crate) attempts: Attempts,
    pub(crate) capacity: Capacity,
    pub(crate) alarm: Arc<Alarm>,
    pub(crate) tasks: Tasks,
    pub(crate) timing: Timing,
    pub(crate) signals: Arc<Signals>,
}

impl Poller {
    /// Polls when `due` notifies, when the next delivery falls due, and at intervals for deliveries of other nodes.
    pub(crate) async fn run(self, due: Arc<Notify>) {
        loop {
            tokio::select! {
                biased;
                () = self.tasks.stop().cancelled() => return,
                () = due.notified() => {}
                () = self.alarm.rings(self.timing.clock()) => {}
            }
            if let Err(error) = self.poll().await {
                metrics::failed("poller");
                tracing::warn!(%error, "cannot lease due deliveries");
            }
            self.signals.add(|counts| counts.polled += 1);
        }
    }

    async fn poll(&self) -> StoreResult<()> {
        self.alarm.set(self.timing.clock(), self.timing.with_jitter(self.interval));
        while self.lease().await? {
            tokio::task::yield_now().await;
        }
        // Only ever earlier: since the alarm was set, a retry that this read does not see may have moved it.
        if let Some(at) = self.deliveries.next_due().await? {
            let soonest = self.timing.now() + SHORTEST_INTERVAL;
            self.alarm.earlier(self.timing.clock(), at.max(soonest));
        }
        Ok(())
    }

    /// Leases as many deliveries as there is capacity for; returns whether there may be more.
    async fn lease(&self) -> StoreResult<bool> {
        let Some((permit, most)) = self.capacity.acquire_up_to(BATCH).await else {
            return Ok(false);
        };
        let now = self.timing.now();
        let until = now + self.lease;
        let leases = self.deliveries.lease_due(self.node, now, until, most).await?;
        let is_full = leases.len() == most;
        if !leases.is_empty() {
            self.attempts.begin(Start::each(permit, leases));
        }
        Ok(is_full)
    }
}
