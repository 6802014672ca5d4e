//! Ends what outlived its deadline while it was waiting.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::time::Instant;
use countersign_store::seam::Answer;

use crate::duty::Duty;
use crate::shared::Shared;
use crate::signals::Counts;

pub(crate) struct Expirer(pub(crate) Arc<Shared>);

impl Duty for Expirer {
    const NAME: &'static str = "expirer";

    fn interval(&self) -> Duration {
        self.0.options.sweep
    }

    async fn batch(&self, now: Instant, most: usize) -> Answer<usize> {
        self.0.deliveries.expire(now, most).await
    }

    fn done(&self, counts: &mut Counts, rows: usize, nothing_left: bool) {
        counts.expired += rows as u64;
        if rows > 0 {
            // webhooks may want to hear of it
            self.0.handover.happened();
        }
        counts.expirer_sweeps += u64::from(nothing_left);
    }
}
