//! Calls the clients whose questions have ended, by CIBA or for Keycloak (`countersign_domain::backchannel`).

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::HandOver;
use countersign_domain::backchannel::{BackchannelLease, Ended};
use countersign_domain::node::NodeId;
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::{AfterCall, after_call};
use countersign_providers::client_call::ClientCaller;
use countersign_store::Store;
use countersign_store::error::StoreResult;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::alarm::Alarm;
use crate::metrics;
use crate::signals::Signals;
use crate::tasks::Tasks;
use crate::timing::Timing;

/// Calls in flight. Each takes five seconds at most.
const AT_A_TIME: usize = 64;
/// Batches that are leased without a pause at most.
const BATCHES: usize = 64;
/// The delay before due calls are looked for again for which there was no permit, unless a call ends earlier.
const RECHECK_DELAY: Duration = Duration::from_secs(1);

/// The parts that a call in flight uses. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TellContext {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clients: Arc<dyn ClientCaller>,
    pub(crate) handover: HandOver,
    pub(crate) timing: Timing,
    pub(crate) signals: Arc<Signals>,
}

/// The duty that leases the requests whose clients are to be called, and calls them.
pub(crate) struct Teller {
    context: TellContext,
    node: NodeId,
    lease: Duration,
    interval: Duration,
    tasks: Tasks,
    permits: Arc<Semaphore>,
    alarm: Alarm,
}

impl Teller {
    /// A teller that leases for `lease` and polls at least every `interval`.
    pub(crate) fn new(
        context: TellContext,
        node: NodeId,
        (lease, interval): (Duration, Duration),
        tasks: Tasks,
    ) -> Self {
        let alarm = Alarm::new(context.timing.clock());
        let permits = Arc::new(Semaphore::new(AT_A_TIME));
        Self { context, node, lease, interval, tasks, permits, alarm }
    }

    /// Polls when `happened` notifies, when a call falls due or ends, and at intervals.
    pub(crate) async fn run(self, happened: Arc<Notify>) {
        loop {
            tokio::select! {
                biased;
                () = self.tasks.stop().cancelled() => return,
                () = happened.notified() => {}
                () = self.alarm.rings(self.context.timing.clock()) => {}
            }
            if let Err(error) = self.poll().await {
                metrics::failed("teller");
                tracing::warn!(%error, "cannot lease calls of clients");
            }
        }
    }

    async fn poll(&self) -> StoreResult<()> {
        let TellContext { store, timing, .. } = &self.context;
        self.alarm.set(timing.clock(), timing.with_jitter(self.interval));
        for _ in 0..BATCHES {
            let now = timing.now();
            // A read, so that answers that no client waits for cost no write.
            let Some(at) = store.next_backchannel_call().await? else { return Ok(()) };
            if at > now {
                self.alarm.earlier(timing.clock(), at);
                return Ok(());
            }
            let free = self.permits.available_permits();
            if free == 0 {
                break;
            }
            let until = now + self.lease;
            let leases = store.lease_backchannel_calls(self.node, now, until, free).await?;
            if leases.is_empty() {
                break;
            }
            for lease in leases {
                // Only this duty takes permits.
                let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else { break };
                let context = self.context.clone();
                self.tasks.spawn(async move { context.tell(lease, permit).await });
            }
        }
        self.alarm.earlier(timing.clock(), timing.now() + RECHECK_DELAY);
        Ok(())
    }
}

impl TellContext {
    /// Calls one client and commits what follows.
    async fn tell(&self, lease: BackchannelLease, permit: OwnedSemaphorePermit) {
        let settled = async {
            let next = self.call(&lease).await?;
            self.store.settle_backchannel_call(&lease, next).await
        };
        if let Err(error) = settled.await {
            // The lease runs out, and the client is called again.
            metrics::failed("teller");
            tracing::warn!(%error, "cannot commit the outcome of a client's call");
        }
        drop(permit);
        self.signals.add(|counts| counts.told += 1);
        self.handover.happened();
    }

    /// Calls a client. Returns when it is to be called again, if it is.
    async fn call(&self, lease: &BackchannelLease) -> StoreResult<Option<Instant>> {
        let request = &lease.request;
        let (service, identity) = (request.service, &request.identity);
        let group = self.store.challenge_group(service, identity, request.group).await?;
        // A person who was deleted has no answer.
        let Some(group) = group else { return Ok(None) };
        let reason = match group.answer() {
            Some(answer) => {
                let context = self.store.challenge_context(answer.challenge.sid).await?;
                context.and_then(|context| context.answer.reason)
            }
            None => None,
        };
        let now = self.timing.checked_now().await;
        let Some(ended) = Ended::of(&group, reason, now) else {
            return Ok(Some(group.first().expires_at));
        };
        if now >= request.deadline {
            metrics::client_call("given_up");
            tracing::warn!(integration = %request.integration, "a client did not take its answer in time");
            return Ok(None);
        }
        let outcome = self.clients.call(request, ended).await;
        metrics::client_call(outcome.as_str());
        let now = self.timing.checked_now().await;
        let jitter = self.timing.jitter();
        Ok(match after_call(&outcome, lease.attempts, now, request.deadline, jitter) {
            AfterCall::Taken { .. } => None,
            AfterCall::Retry { at } => Some(at),
            // Once more at the deadline, where it is given up.
            AfterCall::Failed => Some(request.deadline),
        })
    }
}
