//! Calls webhooks: what the database holds for them, a few at a time of each, so that a slow one harms nobody.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::webhook_call::{CallLease, CallOutcome, after_call};
use countersign_store::seam::Answer;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::alarm::Alarm;
use crate::dispatcher::Question;
use crate::metrics;
use crate::shared::Shared;

/// Calls that are in flight at once, of all webhooks.
const IN_FLIGHT: usize = 256;
/// How long to wait for what is due and could not be leased, unless a call ends before.
const SOON: Duration = Duration::from_secs(1);

/// Looks whenever something has happened, when a call falls due, and when one has ended.
pub(crate) async fn run(
    shared: Arc<Shared>,
    happened: Arc<Notify>,
    mut questions: mpsc::Receiver<Question>,
) {
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    let alarm = Alarm::new(&*shared.clock);
    loop {
        let question = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            Some(question) = questions.recv() => Some(question),
            () = happened.notified() => None,
            () = alarm.rings(&*shared.clock) => None,
        };
        if let Err(error) = look(&shared, &room, &alarm).await {
            metrics::failed("caller");
            tracing::warn!(%error, "the calls of webhooks cannot be leased now");
        }
        if let Some(question) = question {
            let _ = question.send(());
        }
    }
}

async fn look(shared: &Arc<Shared>, room: &Arc<Semaphore>, alarm: &Alarm) -> Answer<()> {
    // what other nodes have stored is found by this
    alarm.set(&*shared.clock, shared.about(shared.options.poll));
    let now = shared.clock.now();
    // a read, so that what no webhook hears of costs no write
    match shared.calls.next_call(now).await? {
        None => return Ok(()),
        Some(at) if at > now => {
            alarm.earlier(&*shared.clock, at);
            return Ok(());
        }
        Some(_) => {}
    }
    let Ok(permit) = Arc::clone(room).try_acquire_many_owned(1) else {
        return Ok(());
    };
    let most = room.available_permits() + 1;
    drop(permit);
    let until = shared.lease_until(now);
    for lease in shared.calls.lease_calls(shared.node, now, until, most).await? {
        // there is room: nobody else takes any
        let Ok(permit) = Arc::clone(room).try_acquire_owned() else { break };
        let shared = Arc::clone(shared);
        let kill = shared.kill.clone();
        let tasks = shared.tasks.clone();
        tasks.spawn(kill.run_until_cancelled_owned(call(shared, lease, permit)));
    }
    let now = shared.clock.now();
    if let Some(at) = shared.calls.next_call(now).await? {
        alarm.earlier(&*shared.clock, if at > now { at } else { now + SOON });
    }
    Ok(())
}

/// From the lease to the commit of what became of it.
async fn call(shared: Arc<Shared>, lease: CallLease, permit: OwnedSemaphorePermit) {
    let began = shared.clock.monotonic();
    let outcome = shared.webhooks.call(&lease).await;
    metrics::call(&outcome, shared.clock.monotonic().since(began));
    let now = shared.clock.now();
    let after = after_call(&outcome, lease.attempts, now, lease.deadline, shared.jitter());
    let error = match &outcome {
        CallOutcome::Taken(_) => String::new(),
        CallOutcome::Refused(status) => format!("status {status}"),
        CallOutcome::Unanswered(why) => why.clone(),
    };
    if let Err(error) = shared.calls.settle_call(&lease, after, &error, now).await {
        // its lease runs out, and it is made again under the same id
        metrics::failed("caller");
        tracing::warn!(call = %lease.id, %error, "what became of a webhook's call cannot be written down");
    }
    drop(permit);
    shared.signals.add(|counts| counts.called += 1);
    shared.handover.happened();
}
