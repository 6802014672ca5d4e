//! Calls webhooks. Permits for calls in flight are shared by account, and few are given to one webhook, so that slow ones harm
//! nobody else (`Permits` of the domain).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_domain::sid::{AccountSid, WebhookSid};
use countersign_domain::webhook_call::{
    AfterCall, CallLease, CallOutcome, Paces, Permits, after_call,
};
use countersign_domain::world::random;
use countersign_store::seam::{Answer, CallsWanted};
use tokio::sync::{Notify, mpsc};

use crate::alarm::Alarm;
use crate::dispatcher::Question;
use crate::metrics;
use crate::shared::Shared;

/// Calls that are in flight at once, of all webhooks.
const IN_FLIGHT: usize = 256;
/// How long to wait for what is due and could not be leased, unless a call ends before.
const SOON: Duration = Duration::from_secs(1);
/// Looks that follow one another at once at most.
const LOOKS: usize = 64;

/// The permits for calls in flight, by account.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<HashMap<AccountSid, usize>>>);

/// How many calls of each webhook may be in flight.
#[derive(Clone, Default)]
struct SharedPaces(Arc<Mutex<Paces>>);

impl SharedPaces {
    fn note(&self, webhook: WebhookSid, outcome: &CallOutcome, took: Duration) {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paces.note(webhook, outcome, took);
    }

    fn now(&self) -> Paces {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A place for one call in flight. Dropped, it is free again.
struct Place(Held, AccountSid);

impl Held {
    fn permits(&self) -> Permits {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Permits { free: IN_FLIGHT.saturating_sub(held.values().sum()), held }
    }

    fn take(&self, account: AccountSid) -> Place {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held.entry(account).or_default() += 1;
        Place(self.clone(), account)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self(Held(held), account) = self;
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_account) = held.get_mut(account) {
            *of_account -= 1;
            if *of_account == 0 {
                held.remove(account);
            }
        }
    }
}

/// The state of the duty.
struct Caller {
    shared: Arc<Shared>,
    held: Held,
    paces: SharedPaces,
    alarm: Alarm,
    /// The webhook whose turn was last. The first is any, so that no webhook comes first after each start.
    turn: WebhookSid,
}

/// Looks whenever something has happened, when a call falls due, when one has ended, and at intervals for what nobody told of:
/// calls that another node has stored, or whose caller went away before it could tell.
pub(crate) async fn run(
    shared: Arc<Shared>,
    happened: Arc<Notify>,
    mut questions: mpsc::Receiver<Question>,
) {
    let alarm = Alarm::new(&*shared.clock);
    let turn = WebhookSid::from_bytes(random(&*shared.entropy));
    let (held, paces) = (Held::default(), SharedPaces::default());
    let mut caller = Caller { shared: Arc::clone(&shared), held, paces, alarm, turn };
    loop {
        let question = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            Some(question) = questions.recv() => Some(question),
            () = happened.notified() => None,
            () = caller.alarm.rings(&*shared.clock) => None,
        };
        if let Err(error) = caller.look().await {
            metrics::failed("caller");
            tracing::warn!(%error, "the calls of webhooks cannot be leased now");
        }
        if let Some(question) = question {
            let _ = question.send(());
        }
    }
}

impl Caller {
    async fn look(&mut self) -> Answer<()> {
        let shared = Arc::clone(&self.shared);
        self.alarm.set(&*shared.clock, shared.about(shared.options.poll));
        for _ in 0..LOOKS {
            let now = shared.clock.now();
            // a read, so that what no webhook hears of costs no write
            match shared.calls.next_call(now).await? {
                None => return Ok(()),
                Some(at) if at > now => {
                    self.alarm.earlier(&*shared.clock, at);
                    return Ok(());
                }
                Some(_) => {}
            }
            if !self.lease().await? {
                break;
            }
        }
        let now = shared.clock.now();
        if let Some(at) = shared.calls.next_call(now).await? {
            self.alarm.earlier(&*shared.clock, if at > now { at } else { now + SOON });
        }
        Ok(())
    }

    /// Begins the calls that there are permits for; whether there may be more.
    async fn lease(&mut self) -> Answer<bool> {
        let shared = &self.shared;
        let permits = self.held.permits();
        if permits.free == 0 {
            return Ok(false);
        }
        let (node, now, turn) = (shared.node, shared.clock.now(), self.turn);
        let until = shared.lease_until(now);
        let paces = self.paces.now();
        let wanted = CallsWanted { node, now, until, permits, paces, turn };
        let found = shared.calls.lease_calls(&wanted).await?;
        self.turn = found.turn;
        for lease in found.leases {
            let place = self.held.take(lease.webhook.account);
            let (shared, paces) = (Arc::clone(shared), self.paces.clone());
            let kill = shared.kill.clone();
            let tasks = shared.tasks.clone();
            tasks.spawn(kill.run_until_cancelled_owned(call(shared, lease, place, paces)));
        }
        Ok(found.more)
    }
}

/// From the lease to the commit of what became of it.
async fn call(shared: Arc<Shared>, lease: CallLease, place: Place, paces: SharedPaces) {
    let began = shared.clock.monotonic();
    let outcome = shared.webhooks.call(&lease).await;
    let took = shared.clock.monotonic().since(began);
    metrics::call(&outcome, took);
    let now = shared.time().await;
    paces.note(lease.webhook.sid, &outcome, took);
    let after = after_call(&outcome, lease.attempts, now, lease.deadline, shared.jitter());
    metrics::calls_given_up("time", usize::from(after == AfterCall::Failed));
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
    drop(place);
    shared.signals.add(|counts| counts.called += 1);
    shared.handover.happened();
}
