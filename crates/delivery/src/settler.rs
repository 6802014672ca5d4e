//! Writes down what became of deliveries, many with one commit.

use std::collections::HashSet;
use std::sync::Arc;

use countersign_domain::delivery::{Happening, Lease, Settled};
use countersign_domain::sid::NotificationSid;
use countersign_domain::time::Instant;
use countersign_store::StoreError;
use countersign_store::seam::Settlement;
use tokio::sync::{mpsc, oneshot};

use crate::metrics;
use crate::shared::Shared;

/// The most that one command settles. What comes while a commit runs waits for the next, so there is no timer.
const BATCH: usize = 512;

/// Something to write down, and whom to tell once it is.
pub(crate) struct Report {
    settled: Settled,
    done: Option<oneshot::Sender<()>>,
}

/// The way to the settler. Bounded: while the database is down, whoever has a result waits with it.
pub(crate) struct Results(mpsc::Sender<Report>);

impl Results {
    pub(crate) fn new(places: usize) -> (Self, mpsc::Receiver<Report>) {
        let (sender, receiver) = mpsc::channel(places);
        (Self(sender), receiver)
    }

    /// Notes that a prompt was written and is not acknowledged yet. Never waits: where there is no place, the result
    /// itself is soon to come.
    pub(crate) fn mark_written(&self, lease: Lease, at: Instant) {
        let _ = self.0.try_send(Report {
            settled: Settled { lease, what: Happening::Written, at },
            done: None,
        });
    }

    /// Writes down what became of a delivery. Returns when that is committed.
    pub(crate) async fn settle(&self, lease: Lease, what: Happening, at: Instant) {
        let (done, committed) = oneshot::channel();
        let report = Report { settled: Settled { lease, what, at }, done: Some(done) };
        // Both fail only when the settler is gone, and with it the engine.
        if self.0.send(report).await.is_ok() {
            let _ = committed.await;
        }
    }
}

/// Settles until the engine is gone.
pub(crate) async fn run(shared: Arc<Shared>, mut reports: mpsc::Receiver<Report>) {
    let mut batch = Vec::with_capacity(BATCH);
    while reports.recv_many(&mut batch, BATCH).await > 0 {
        drop_outdated_marks(&mut batch);
        let (settled, waiting): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|report| (report.settled, report.done)).unzip();
        write(&shared, &settled).await;
        for done in waiting.into_iter().flatten() {
            let _ = done.send(());
        }
    }
}

/// A mark is of no use if the same batch says how it went on.
fn drop_outdated_marks(batch: &mut Vec<Report>) {
    let is_mark = |report: &Report| matches!(report.settled.what, Happening::Written);
    let name = |report: &Report| report.settled.lease.delivery.notification;
    if batch.iter().any(is_mark) {
        let over: HashSet<NotificationSid> =
            batch.iter().filter(|report| !is_mark(report)).map(name).collect();
        batch.retain(|report| !is_mark(report) || !over.contains(&name(report)));
    }
}

/// Writes a batch. One corrupt row must not keep the results of others from being written.
async fn write(shared: &Shared, settled: &[Settled]) {
    let Err(why) = write_whole(shared, settled).await else {
        return;
    };
    tracing::error!(why, "a result meets a corrupt row; its batch is written one by one");
    for one in settled {
        if let Err(why) = write_whole(shared, std::slice::from_ref(one)).await {
            let notification = one.lease.delivery.notification;
            tracing::error!(why, %notification, "a result is lost: its row is corrupt");
        }
    }
}

/// Writes all or nothing, however long that takes; an error is a corrupt row.
async fn write_whole(shared: &Shared, settled: &[Settled]) -> Result<(), String> {
    let mut failures = 0;
    loop {
        let error = match shared.deliveries.settle(settled).await {
            Ok(Settlement { lost, is_heard }) => {
                note(shared, settled, &lost);
                if is_heard {
                    shared.handover.happened();
                }
                return Ok(());
            }
            Err(StoreError::Corrupt(why)) => return Err(why),
            Err(error @ StoreError::Unavailable(_)) => error,
        };
        failures += 1;
        metrics::failed("settler");
        shared.signals.add(|counts| counts.refused += 1);
        let results = settled.len();
        tracing::warn!(%error, failures, results, "results cannot be written down now; they are kept");
        shared.pause(failures).await;
    }
}

fn note(shared: &Shared, settled: &[Settled], lost: &[NotificationSid]) {
    metrics::settled(settled.len(), lost.len());
    for notification in lost {
        tracing::debug!(%notification, "a lease was lost before the result was written");
    }
    let marks = settled.iter().filter(|settled| matches!(settled.what, Happening::Written)).count();
    shared.signals.add(|counts| {
        counts.written += marks as u64;
        counts.settled += (settled.len() - marks) as u64;
        counts.lost += lost.len() as u64;
    });
}
