//! A background duty on rows of the database: a bounded batch, repeated at intervals.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;

use crate::metrics;
use crate::signals::{Counts, Signals};
use crate::tasks::Tasks;
use crate::timing::Timing;

/// A duty on rows of the database.
pub(crate) trait Duty: Send + Sync + 'static {
    /// Its name in logs and metrics.
    const NAME: &'static str;
    /// Whether the duty ends once a sweep has left nothing to do.
    const ENDS: bool = false;

    /// The time from the start of one sweep to the start of the next.
    fn interval(&self) -> Duration;
    /// Changes up to `most` rows, as of `now`; returns how many. Fewer than `most`: nothing is left.
    fn batch(&self, now: Instant, most: usize) -> impl Future<Output = StoreResult<usize>> + Send;
    /// Acts on a batch that changed this many rows, and counts them.
    fn done(&self, counts: &mut Counts, rows: usize, nothing_left: bool);
}

/// Runs duties.
#[derive(Clone)]
pub(crate) struct DutyRunner {
    /// Rows that one command touches at most.
    pub(crate) batch: usize,
    pub(crate) tasks: Tasks,
    pub(crate) timing: Timing,
    pub(crate) signals: Arc<Signals>,
}

impl DutyRunner {
    /// Runs a duty until the engine stops, at once and then at intervals. An error ends a sweep, never the duty.
    pub(crate) async fn run<D: Duty>(self, duty: D) {
        let sweeps = async {
            loop {
                // A sweep that takes longer than the interval is followed at once by the next.
                let next = self.timing.monotonic() + self.timing.with_jitter(duty.interval());
                match self.sweep(&duty).await {
                    Ok(()) if D::ENDS => return,
                    Ok(()) => {}
                    Err(error) => {
                        metrics::failed(D::NAME);
                        tracing::warn!(duty = D::NAME, %error, "a background duty failed and will be retried");
                    }
                }
                self.timing.sleep(next.since(self.timing.monotonic())).await;
            }
        };
        self.tasks.stop().run_until_cancelled(sweeps).await;
    }

    async fn sweep<D: Duty>(&self, duty: &D) -> StoreResult<()> {
        let most = self.batch.max(1);
        loop {
            let rows = duty.batch(self.timing.now(), most).await?;
            let nothing_left = rows < most;
            if rows > 0 {
                metrics::swept(D::NAME, rows);
            }
            self.signals.add(|counts| duty.done(counts, rows, nothing_left));
            if nothing_left {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }
}
