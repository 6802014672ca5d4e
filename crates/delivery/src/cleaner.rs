//! Removes rows whose retention has ended, in bounded batches.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Retention, Upkeep};

use crate::duty::Duty;
use crate::signals::Counts;

/// Removes rows whose retention has ended.
pub(crate) struct Cleaner {
    pub(crate) upkeep: Arc<dyn Upkeep + Send + Sync>,
    pub(crate) retention: Retention,
    pub(crate) interval: Duration,
}

impl Duty for Cleaner {
    const NAME: &'static str = "cleaner";

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn batch(&self, now: Instant, most: usize) -> StoreResult<usize> {
        self.upkeep.clean(now, self.retention, most).await
    }

    fn done(&self, counts: &mut Counts, rows: usize, nothing_left: bool) {
        counts.cleaned += rows as u64;
        counts.cleaner_sweeps += u64::from(nothing_left);
    }
}
