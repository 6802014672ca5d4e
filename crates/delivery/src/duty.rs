//! What a background duty is: a name, an interval, and a bounded batch that it does again and again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use countersign_domain::time::Instant;
use countersign_store::seam::Answer;

use crate::metrics;
use crate::shared::Shared;
use crate::signals::Counts;

/// A duty on rows of the database.
pub(crate) trait Duty: Send + Sync + 'static {
    /// In logs and metrics.
    const NAME: &'static str;
    /// Whether it is over once nothing is left to do.
    const ENDS: bool = false;

    /// How often to look for something to do.
    fn interval(&self) -> Duration;
    /// Does up to `most`, as of `now`; how many. Fewer than `most`: nothing is left.
    fn batch(&self, now: Instant, most: usize) -> impl Future<Output = Answer<usize>> + Send;
    /// What to tell after a batch of so many.
    fn done(&self, counts: &mut Counts, rows: usize, nothing_left: bool);
}

/// Does a duty until the engine stops, at the first chance and then at intervals. An error ends a round, never the duty.
pub(crate) async fn run<D: Duty>(shared: Arc<Shared>, duty: D) {
    let rounds = async {
        loop {
            // From start to start. A round that takes longer than the interval is followed at once by the next.
            let next = shared.clock.monotonic() + shared.about(duty.interval());
            match round(&shared, &duty).await {
                Ok(()) if D::ENDS => return,
                Ok(()) => {}
                Err(error) => {
                    metrics::failed(D::NAME);
                    tracing::warn!(duty = D::NAME, %error, "a background duty failed and is tried again");
                }
            }
            shared.clock.sleep(next.since(shared.clock.monotonic())).await;
        }
    };
    shared.stop.run_until_cancelled(rounds).await;
}

async fn round<D: Duty>(shared: &Shared, duty: &D) -> Answer<()> {
    let most = shared.options.batch.max(1);
    loop {
        let rows = duty.batch(shared.clock.now(), most).await?;
        let nothing_left = rows < most;
        if rows > 0 {
            metrics::swept(D::NAME, rows);
        }
        shared.signals.add(|counts| duty.done(counts, rows, nothing_left));
        if nothing_left {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}
