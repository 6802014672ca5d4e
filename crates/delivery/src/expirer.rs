//! Ends deliveries whose deadline has passed while they waited.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::HandOver;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Deliveries;

use crate::duty::Duty;
use crate::signals::Counts;

/// Ends overdue deliveries.
pub(crate) struct Expirer {
    pub(crate) deliveries: Arc<dyn Deliveries + Send + Sync>,
    pub(crate) handover: HandOver,
    pub(crate) interval: Duration,
}

impl Duty for Expirer {
    const NAME: &'static str = "expirer";

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn batch(&self, now: Instant, most: usize) -> StoreResult<usize> {
        self.deliveries.expire(now, most).await
    }

    fn done(&self, counts: &mut Counts, rows: usize, nothing_left: bool) {
        counts.expired += rows as u64;
        if rows > 0 {
            // Webhooks may be subscribed to it.
            self.handover.happened();
        }
        counts.expirer_sweeps += u64::from(nothing_left);
    }
}
