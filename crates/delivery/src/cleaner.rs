//! Removes what is no longer wanted, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::time::Instant;
use countersign_store::seam::Answer;

use crate::duty::Duty;
use crate::shared::Shared;
use crate::signals::Counts;

pub(crate) struct Cleaner(pub(crate) Arc<Shared>);

impl Duty for Cleaner {
    const NAME: &'static str = "cleaner";

    fn interval(&self) -> Duration {
        self.0.options.clean
    }

    async fn batch(&self, now: Instant, most: usize) -> Answer<usize> {
        let retention = self.0.options.retention;
        self.0.upkeep.clean(now, retention, most).await
    }

    fn done(&self, counts: &mut Counts, rows: usize, nothing_left: bool) {
        counts.cleaned += rows as u64;
        counts.cleaner_sweeps += u64::from(nothing_left);
    }
}
