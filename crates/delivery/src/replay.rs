//! Offers a connected device its parked deliveries.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::Bus;
use countersign_domain::delivery::Lease;
use countersign_domain::node::NodeId;
use countersign_domain::outcome::Outcome;
use countersign_domain::sid::FactorSid;
use countersign_store::StoreError;
use countersign_store::seam::Deliveries;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::attempt::{Attempts, Start};
use crate::capacity::{Capacity, Permit};
use crate::metrics;
use crate::replay_queue::{ReplayQueue, ReplayRequests};
use crate::signals::Signals;
use crate::tasks::Tasks;
use crate::timing::Timing;

/// Deliveries that one replay leases at most: as many as a socket may hold unacknowledged.
const BATCH: usize = 100;
/// Replays that read at once. Many share a commit when all devices reconnect together.
const CONCURRENT: usize = 128;

/// The duty that leases parked deliveries.
pub(crate) struct Replay {
    pub(crate) deliveries: Arc<dyn Deliveries + Send + Sync>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) node: NodeId,
    pub(crate) lease: Duration,
    pub(crate) attempts: Attempts,
    pub(crate) capacity: Capacity,
    pub(crate) queue: ReplayQueue,
    pub(crate) tasks: Tasks,
    pub(crate) timing: Timing,
    pub(crate) signals: Arc<Signals>,
}

/// Starts the requested replays until the engine stops. Requests that are queued then are dropped.
pub(crate) async fn run(replay: Replay, mut requests: ReplayRequests) {
    let (replay, reads) = (Arc::new(replay), Arc::new(Semaphore::new(CONCURRENT)));
    let stop = replay.tasks.stop().clone();
    let requested = async {
        while let Some(request) = requests.next().await {
            // Fails only on a closed semaphore.
            let Ok(read) = Arc::clone(&reads).acquire_owned().await else { return };
            let Some((permit, most)) = replay.capacity.acquire_up_to(BATCH).await else { return };
            requests.begin(request.factor);
            replay.tasks.spawn(Arc::clone(&replay).replay(request.factor, read, permit, most));
            drop(request.token);
        }
    };
    stop.run_until_cancelled(requested).await;
}

impl Replay {
    /// Leases and begins up to `most` parked deliveries of a device. After a full batch it requests another replay, unless
    /// the device acknowledged none: such a device gets the rest when it connects again.
    async fn replay(
        self: Arc<Self>,
        factor: FactorSid,
        read: OwnedSemaphorePermit,
        permit: Permit,
        most: usize,
    ) {
        let Some(leases) = self.lease(factor, most).await else {
            return;
        };
        drop(read);
        self.signals.add(|counts| counts.replayed += 1);
        let is_full = leases.len() == most;
        if leases.is_empty() {
            return;
        }
        let begun = self.attempts.begin(Start::each(permit, leases));
        if is_full
            && let Ok(Some(outcomes)) = begun.await
            && outcomes.contains(&Outcome::Acknowledged)
        {
            self.queue.request(factor);
        }
    }

    /// Leases, and retries while the device stays connected: no other duty looks for parked deliveries. `None`: given up.
    async fn lease(&self, factor: FactorSid, most: usize) -> Option<Vec<Lease>> {
        let mut failures = 0;
        loop {
            let now = self.timing.now();
            let until = now + self.lease;
            let leased = self.deliveries.lease_parked(factor, self.node, now, until, most);
            let error = match leased.await {
                Ok(leases) => return Some(leases),
                Err(error) => error,
            };
            failures += 1;
            metrics::failed("replay");
            tracing::warn!(%error, %factor, failures, "cannot read the parked deliveries of a device");
            if matches!(error, StoreError::Corrupt(_)) {
                return None;
            }
            self.timing.retry_delay(failures).await;
            if self.tasks.stop().is_cancelled() || !self.bus.is_attached(factor).await {
                return None;
            }
        }
    }
}
