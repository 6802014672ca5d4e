//! Commits the results of deliveries, many by one command.

use std::collections::HashSet;
use std::sync::Arc;

use countersign_bus::HandOver;
use countersign_domain::settled::{DeliveryEvent, Settled};
use countersign_domain::sid::NotificationSid;
use countersign_store::StoreError;
use countersign_store::seam::{Deliveries, Settlement};
use tokio::sync::mpsc;

use crate::metrics;
use crate::reports::Report;
use crate::signals::Signals;
use crate::timing::Timing;

/// Results that one command commits at most. Those that arrive during a commit form the next batch, so there is no timer.
const BATCH: usize = 512;

/// The duty that commits results.
pub(crate) struct Settler {
    pub(crate) deliveries: Arc<dyn Deliveries + Send + Sync>,
    pub(crate) handover: HandOver,
    pub(crate) timing: Timing,
    pub(crate) signals: Arc<Signals>,
}

impl Settler {
    /// Commits results until all senders of reports are dropped.
    pub(crate) async fn run(self, mut reports: mpsc::Receiver<Report>) {
        let mut batch = Vec::with_capacity(BATCH);
        while reports.recv_many(&mut batch, BATCH).await > 0 {
            drop_outdated_marks(&mut batch);
            let (settled, waiting): (Vec<_>, Vec<_>) =
                batch.drain(..).map(|report| (report.settled, report.done)).unzip();
            self.commit(&settled).await;
            for done in waiting.into_iter().flatten() {
                let _ = done.send(());
            }
        }
    }

    /// Commits a batch. One corrupt row does not keep the other results from being committed.
    async fn commit(&self, settled: &[Settled]) {
        let Err(why) = self.commit_whole(settled).await else {
            return;
        };
        tracing::error!(
            why,
            "a result belongs to a corrupt row; the results of its batch are committed one by one"
        );
        for one in settled {
            if let Err(why) = self.commit_whole(std::slice::from_ref(one)).await {
                let notification = one.lease.delivery.notification;
                tracing::error!(why, %notification, "a result is lost: its row is corrupt");
            }
        }
    }

    /// Commits all results or none, with retries for as long as the database is unavailable.
    ///
    /// # Errors
    /// A row is corrupt.
    async fn commit_whole(&self, settled: &[Settled]) -> Result<(), String> {
        let mut failures = 0;
        loop {
            let error = match self.deliveries.settle(settled).await {
                Ok(Settlement { lost, may_cause_calls }) => {
                    self.count(settled, &lost);
                    if may_cause_calls {
                        self.handover.happened();
                    }
                    return Ok(());
                }
                Err(StoreError::Corrupt(why)) => return Err(why),
                Err(error @ StoreError::Unavailable(_)) => error,
            };
            failures += 1;
            metrics::failed("settler");
            self.signals.add(|counts| counts.refused += 1);
            let results = settled.len();
            tracing::warn!(%error, failures, results, "cannot commit results; they are kept and retried");
            self.timing.retry_delay(failures).await;
        }
    }

    fn count(&self, settled: &[Settled], lost: &[NotificationSid]) {
        metrics::settled(settled.len(), lost.len());
        for notification in lost {
            tracing::debug!(%notification, "a lease was lost before the result was committed");
        }
        let marks = settled
            .iter()
            .filter(|settled| matches!(settled.event, DeliveryEvent::Written))
            .count();
        self.signals.add(|counts| {
            counts.written += marks as u64;
            counts.settled += (settled.len() - marks) as u64;
            counts.lost += lost.len() as u64;
        });
    }
}

/// Drops the marks of prompts whose result is in the same batch.
fn drop_outdated_marks(batch: &mut Vec<Report>) {
    let is_mark = |report: &Report| matches!(report.settled.event, DeliveryEvent::Written);
    let name = |report: &Report| report.settled.lease.delivery.notification;
    if batch.iter().any(is_mark) {
        let over: HashSet<NotificationSid> =
            batch.iter().filter(|report| !is_mark(report)).map(name).collect();
        batch.retain(|report| !is_mark(report) || !over.contains(&name(report)));
    }
}
