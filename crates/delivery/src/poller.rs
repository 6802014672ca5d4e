//! Leases what is due: deliveries that were born without a place, retries, and those of other nodes that are gone.

use std::sync::Arc;
use std::time::Duration;

use countersign_store::seam::Answer;
use tokio::sync::{Notify, mpsc};

use crate::attempt;
use crate::dispatcher::Question;
use crate::metrics;
use crate::shared::Shared;

/// The most that one look leases.
const MOST: usize = 256;
/// The shortest time between two looks that nobody asked for. What is overdue and not yet swept counts as due, and is
/// not leased.
const SHORTEST: Duration = Duration::from_millis(20);

/// Looks whenever it is told to, when the next delivery falls due, and at intervals for what nobody told of.
pub(crate) async fn run(
    shared: Arc<Shared>,
    due: Arc<Notify>,
    mut questions: mpsc::Receiver<Question>,
) {
    loop {
        let question = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            Some(question) = questions.recv() => Some(question),
            () = due.notified() => None,
            () = shared.alarm.rings(&*shared.clock) => None,
        };
        if let Err(error) = look(&shared).await {
            metrics::failed("poller");
            tracing::warn!(%error, "due deliveries cannot be leased now");
        }
        shared.signals.add(|counts| counts.polled += 1);
        if let Some(question) = question {
            let _ = question.send(());
        }
    }
}

async fn look(shared: &Arc<Shared>) -> Answer<()> {
    shared.alarm.set(&*shared.clock, shared.about(shared.options.poll));
    while lease(shared).await? {
        tokio::task::yield_now().await;
    }
    // After the alarm was set, which may have been moved since by a retry that this does not see.
    if let Some(at) = shared.deliveries.next_due().await? {
        shared.alarm.earlier(&*shared.clock, at.max(shared.clock.now() + SHORTEST));
    }
    Ok(())
}

/// Leases as many as there is room for; whether there may be more.
async fn lease(shared: &Arc<Shared>) -> Answer<bool> {
    let Some((hold, room)) = shared.room_for(MOST).await else {
        return Ok(false);
    };
    let now = shared.clock.now();
    let until = shared.lease_until(now);
    let leases = shared.deliveries.lease_due(shared.node, now, until, room).await?;
    let full = leases.len() == room;
    if !leases.is_empty() {
        attempt::begin(shared, hold.share(leases));
    }
    Ok(full)
}
