//! Calls webhooks. Accounts share the permits for calls in flight, and each webhook gets few of them, so that a slow
//! webhook delays no other (`Permits` in the domain).

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::HandOver;
use countersign_domain::node::NodeId;
use countersign_domain::sid::WebhookSid;
use countersign_domain::webhook_call::{AfterCall, CallLease, after_call};
use countersign_providers::webhook::WebhookCaller;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Calls, CallsWanted};
use tokio::sync::Notify;

use crate::alarm::Alarm;
use crate::call_permits::{CallPermit, CallPermits, SharedConcurrency};
use crate::metrics;
use crate::signals::Signals;
use crate::tasks::Tasks;
use crate::timing::Timing;

/// The delay before due calls that could not be leased are looked for again, unless a call ends earlier.
const RECHECK_DELAY: Duration = Duration::from_secs(1);
/// Batches that are leased without a pause at most.
const BATCHES: usize = 64;

/// The dependencies of a call in flight. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CallContext {
    pub(crate) calls: Arc<dyn Calls + Send + Sync>,
    pub(crate) webhooks: Arc<dyn WebhookCaller>,
    pub(crate) handover: HandOver,
    pub(crate) timing: Timing,
    pub(crate) signals: Arc<Signals>,
}

/// The duty that leases calls and makes them.
pub(crate) struct Caller {
    context: Arc<CallContext>,
    node: NodeId,
    lease: Duration,
    interval: Duration,
    tasks: Tasks,
    permits: CallPermits,
    concurrency: SharedConcurrency,
    alarm: Alarm,
    /// The webhook that was served last. It starts at random, so that no webhook comes first after each start.
    turn: WebhookSid,
}

impl Caller {
    /// A caller that leases for `lease` and polls at least every `interval`.
    pub(crate) fn new(
        context: CallContext,
        node: NodeId,
        (lease, interval): (Duration, Duration),
        tasks: Tasks,
    ) -> Self {
        Self {
            node,
            lease,
            interval,
            tasks,
            permits: CallPermits::default(),
            concurrency: SharedConcurrency::default(),
            alarm: Alarm::new(context.timing.clock()),
            turn: WebhookSid::from_bytes(context.timing.random_bytes()),
            context: Arc::new(context),
        }
    }

    /// Polls when `happened` notifies, when a call falls due or ends, and at intervals for calls that another node stored
    /// or whose process died before it could notify.
    pub(crate) async fn run(mut self, happened: Arc<Notify>) {
        loop {
            tokio::select! {
                biased;
                () = self.tasks.stop().cancelled() => return,
                () = happened.notified() => {}
                () = self.alarm.rings(self.context.timing.clock()) => {}
            }
            if let Err(error) = self.poll().await {
                metrics::failed("caller");
                tracing::warn!(%error, "cannot lease webhook calls");
            }
            self.context.signals.add(|counts| counts.polled_calls += 1);
        }
    }

    async fn poll(&mut self) -> StoreResult<()> {
        let context = Arc::clone(&self.context);
        let timing = &context.timing;
        self.alarm.set(timing.clock(), timing.with_jitter(self.interval));
        for _ in 0..BATCHES {
            let now = timing.now();
            // A read, so that events without a subscribed webhook cost no write.
            match context.calls.next_call(now).await? {
                None => return Ok(()),
                Some(at) if at > now => {
                    self.alarm.earlier(timing.clock(), at);
                    return Ok(());
                }
                Some(_) => {}
            }
            if !self.lease().await? {
                break;
            }
        }
        let now = timing.now();
        if let Some(at) = context.calls.next_call(now).await? {
            self.alarm.earlier(timing.clock(), if at > now { at } else { now + RECHECK_DELAY });
        }
        Ok(())
    }

    /// Begins the calls that there are permits for; returns whether there may be more.
    async fn lease(&mut self) -> StoreResult<bool> {
        let permits = self.permits.current();
        if permits.free == 0 {
            return Ok(false);
        }
        let (node, now, turn) = (self.node, self.context.timing.now(), self.turn);
        let (until, concurrency) = (now + self.lease, self.concurrency.current());
        let wanted = CallsWanted { node, now, until, permits, concurrency, turn };
        let found = self.context.calls.lease_calls(&wanted).await?;
        self.turn = found.turn;
        for lease in found.leases {
            let permit = self.permits.take(lease.webhook.account);
            let (context, concurrency) = (Arc::clone(&self.context), self.concurrency.clone());
            self.tasks.spawn(async move { context.call(lease, permit, concurrency).await });
        }
        Ok(found.more)
    }
}

impl CallContext {
    /// Makes one call and commits its outcome.
    async fn call(&self, lease: CallLease, permit: CallPermit, concurrency: SharedConcurrency) {
        let began = self.timing.monotonic();
        let outcome = self.webhooks.call(&lease).await;
        let took = self.timing.monotonic().since(began);
        metrics::call(&outcome, took);
        let now = self.timing.checked_now().await;
        concurrency.note(lease.webhook.sid, &outcome, took);
        let jitter = self.timing.jitter();
        let after = after_call(&outcome, lease.attempts, now, lease.deadline, jitter);
        metrics::calls_given_up("time", usize::from(after == AfterCall::Failed));
        if let Err(error) = self.calls.settle_call(&lease, after, outcome.into_failure(), now).await
        {
            // The lease runs out, and the call is made again under the same id.
            metrics::failed("caller");
            tracing::warn!(call = %lease.id, %error, "cannot commit the outcome of a webhook call");
        }
        drop(permit);
        self.signals.add(|counts| counts.called += 1);
        self.handover.happened();
    }
}
