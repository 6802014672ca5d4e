//! Counts the calls of webhooks that wait, for the gauges, and gives up what is too much for a webhook or an account.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::time::Instant;
use countersign_store::seam::Answer;

use crate::duty::Duty;
use crate::metrics;
use crate::shared::Shared;
use crate::signals::Counts;

pub(crate) struct Backlog(pub(crate) Arc<Shared>);

impl Duty for Backlog {
    const NAME: &'static str = "backlog";

    fn interval(&self) -> Duration {
        self.0.options.count
    }

    async fn batch(&self, now: Instant, most: usize) -> Answer<usize> {
        let mut given_up = 0;
        loop {
            let backlog = self.0.calls.tend_calls(self.0.options.queued, now).await?;
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
            tracing::warn!(
                calls = rows,
                "calls of webhooks were given up, since too many were waiting"
            );
            // what stood behind them may be due now
            self.0.handover.happened();
        }
    }
}
