//! Counts queued webhook calls for the gauges, and gives up those above the limits of a webhook or an account.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::HandOver;
use countersign_domain::call_queue::QueueLimits;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Calls;

use crate::duty::Duty;
use crate::metrics;
use crate::signals::Counts;

/// Bounds the queue of webhook calls.
pub(crate) struct Backlog {
    pub(crate) calls: Arc<dyn Calls + Send + Sync>,
    pub(crate) limits: QueueLimits,
    pub(crate) handover: HandOver,
    pub(crate) interval: Duration,
}

impl Duty for Backlog {
    const NAME: &'static str = "backlog";

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn batch(&self, now: Instant, most: usize) -> StoreResult<usize> {
        let mut given_up = 0;
        loop {
            let backlog = self.calls.trim_calls(self.limits, now).await?;
            given_up += backlog.given_up;
            metrics::calls_given_up("queue", backlog.given_up);
            let age = backlog.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
            metrics::backlog(backlog.queued, age);
            if !backlog.more || given_up >= most {
                return Ok(given_up);
            }
        }
    }

    fn done(&self, counts: &mut Counts, rows: usize, nothing_left: bool) {
        counts.overflowed += rows as u64;
        counts.backlogs += u64::from(nothing_left);
        if rows > 0 {
            tracing::warn!(calls = rows, "webhook calls were given up: too many were queued");
            // The calls behind them may be due now.
            self.handover.happened();
        }
    }
}
