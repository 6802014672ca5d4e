//! Writes down what became of deliveries, many with one commit.

use std::collections::HashSet;
use std::sync::Arc;

use countersign_domain::delivery::{Happening, Lease, Settled};
use countersign_domain::sid::NotificationSid;
use countersign_domain::time::Instant;
use countersign_store::StoreError;
use tokio::sync::{mpsc, oneshot};

use crate::metrics;
use crate::shared::Shared;

/// The most that one command settles. What comes while a commit runs waits for the next, so there is no timer.
const BATCH: usize = 512;

/// Something to write down, and whom to tell once it is.
pub(crate) struct Result_ {
    settled: Settled,
    done: Option<oneshot::Sender<()>>,
}

/// The way to the settler. Bounded: while the database is down, whoever has a result waits with it.
pub(crate) struct Results(mpsc::Sender<Result_>);

impl Results {
    pub(crate) fn new(places: usize) -> (Self, mpsc::Receiver<Result_>) {
        let (sender, receiver) = mpsc::channel(places);
        (Self(sender), receiver)
    }

    /// Notes that a prompt was written and is not acknowledged yet. Never waits: where there is no place, the result
    /// itself is soon to come.
    pub(crate) fn mark_written(&self, lease: Lease, at: Instant) {
        let _ = self.0.try_send(Result_ {
            settled: Settled {
                lease,
                what: Happening::Written,
                at,
            },
            done: None,
        });
    }

    /// Writes down what became of a delivery. Returns when that is committed.
    pub(crate) async fn settle(&self, lease: Lease, what: Happening, at: Instant) {
        let (done, committed) = oneshot::channel();
        let result = Result_ {
            settled: Settled { lease, what, at },
            done: Some(done),
        };
        // Both fail only when the settler is gone, and with it the engine.
        if self.0.send(result).await.is_ok() {
            let _ = committed.await;
        }
    }
}

/// Settles until the engine is gone.
pub(crate) async fn run(shared: Arc<Shared>, mut results: mpsc::Receiver<Result_>) {
    let mut batch = Vec::with_capacity(BATCH);
    while results.recv_many(&mut batch, BATCH).await > 0 {
        drop_outdated_marks(&mut batch);
        let (settled, waiting): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .map(|result| (result.settled, result.done))
            .unzip();
        write(&shared, &settled).await;
        for done in waiting.into_iter().flatten() {
            let _ = done.send(());
        }
    }
}

/// A mark is of no use if the same batch says how it went on.
fn drop_outdated_marks(batch: &mut Vec<Result_>) {
    let is_mark = |result: &Result_| matches!(result.settled.what, Happening::Written);
    let name = |result: &Result_| result.settled.lease.delivery.notification;
    if batch.iter().any(is_mark) {
        let over: HashSet<NotificationSid> = batch
            .iter()
            .filter(|result| !is_mark(result))
            .map(name)
            .collect();
        batch.retain(|result| !is_mark(result) || !over.contains(&name(result)));
    }
}

/// Writes a batch, however long that takes.
async fn write(shared: &Shared, settled: &[Settled]) {
    let mut failures = 0;
    loop {
        match shared.store.settle(settled).await {
            Ok(lost) => return note(shared, settled, &lost),
            Err(StoreError::Corrupt(why)) => {
                tracing::error!(why, "a result meets a corrupt row; the batch is written singly");
                return write_singly(shared, settled).await;
            }
            Err(error) => {
                failures += 1;
                metrics::failed("settler");
                shared.signals.add(|counts| counts.refused += 1);
                tracing::warn!(%error, failures, results = settled.len(), "results cannot be written down now; they are kept and tried again");
                shared.pause(failures).await;
            }
        }
    }
}

/// One corrupt row must not keep the results of others from being written.
async fn write_singly(shared: &Shared, settled: &[Settled]) {
    for one in settled {
        let mut failures = 0;
        loop {
            match shared.store.settle(std::slice::from_ref(one)).await {
                Ok(lost) => note(shared, std::slice::from_ref(one), &lost),
                Err(StoreError::Corrupt(why)) => {
                    let notification = %one.lease.delivery.notification;
                    tracing::error!(why, notification, "a result is lost: its row is corrupt");
                }
                Err(error) => {
                    failures += 1;
                    metrics::failed("settler");
                    tracing::warn!(%error, failures, "a result cannot be written down now; it is kept and tried again");
                    shared.pause(failures).await;
                    continue;
                }
            }
            break;
        }
    }
}

fn note(shared: &Shared, settled: &[Settled], lost: &[NotificationSid]) {
    metrics::settled(settled.len(), lost.len());
    for notification in lost {
        tracing::debug!(%notification, "a lease was lost before the result was written");
    }
    let marks = settled
        .iter()
        .filter(|settled| matches!(settled.what, Happening::Written))
        .count();
    shared.signals.add(|counts| {
        counts.written += marks as u64;
        counts.settled += (settled.len() - marks) as u64;
        counts.lost += lost.len() as u64;
    });
}
