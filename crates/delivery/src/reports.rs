//! The channel of attempt results to the settler.

use countersign_domain::delivery::Lease;
use countersign_domain::settled::{DeliveryEvent, Settled};
use countersign_domain::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// A result to commit.
pub(crate) struct Report {
    pub(crate) settled: Settled,
    /// Told once the result is committed.
    pub(crate) done: Option<oneshot::Sender<()>>,
}

/// Sends results to the settler. Bounded: while the database is down, an attempt waits with its result. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reports(mpsc::Sender<Report>);

impl Reports {
    /// Both ends of a channel that holds `capacity` results.
    pub(crate) fn new(capacity: usize) -> (Self, mpsc::Receiver<Report>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self(sender), receiver)
    }

    /// Reports that a prompt was written and is not acknowledged yet. Never waits: if the channel is full, this is
    /// dropped, since the result itself follows.
    pub(crate) fn mark_written(&self, lease: Lease, at: Instant) {
        let _ = self.0.try_send(Report {
            settled: Settled { lease, event: DeliveryEvent::Written, at },
            done: None,
        });
    }

    /// Reports a delivery's result. Returns once it is committed.
    pub(crate) async fn settle(&self, lease: Lease, what: DeliveryEvent, at: Instant) {
        let (done, committed) = oneshot::channel();
        let report = Report { settled: Settled { lease, event: what, at }, done: Some(done) };
        // Both fail only when the settler has ended, and the engine with it.
        if self.0.send(report).await.is_ok() {
            let _ = committed.await;
        }
    }
}
