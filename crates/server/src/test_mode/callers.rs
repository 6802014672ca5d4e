//! Wraps what calls applications and push services: counts the calls without a response, which the clock waits for, and gives them bad
//! manners.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::backchannel::{BackchannelRequest, Ended};
use countersign_domain::outage::Outage;
use countersign_domain::outcome::Attempt;
use countersign_domain::prospect::Push;
use countersign_domain::webhook_call::{CallLease, CallOutcome};
use countersign_domain::world::Clock as _;
use countersign_providers::Provider;
use countersign_providers::client_call::ClientCaller;
use countersign_providers::webhook::WebhookCaller;
use tokio::time::timeout;

use super::manners::Kind;
use super::mode::TestMode;

/// How long a webhook call waits for the next one to overtake it, in real time. An advance of the clock does not wait so long.
const HELD_FOR: Duration = Duration::from_secs(5);
/// Tries of a call that was overtaken: the server believes that it was taken, and does not repeat it.
const TRIES: usize = 3;

/// Calls webhooks.
pub(crate) struct TestedWebhooks<T> {
    inner: Arc<T>,
    mode: Arc<TestMode>,
}

impl<T: WebhookCaller + 'static> TestedWebhooks<T> {
    pub(crate) fn new(inner: T, mode: Arc<TestMode>) -> Self {
        Self { inner: Arc::new(inner), mode }
    }

    /// Makes the call after the next one.
    fn hold(&self, lease: CallLease) {
        let released = self.mode.held_calls.hold();
        let (inner, call) = (Arc::clone(&self.inner), self.mode.outside.begin());
        tokio::spawn(async move {
            // Released, or not: it is made.
            let _ = timeout(HELD_FOR, released).await;
            for _ in 0..TRIES {
                if matches!(inner.call(&lease).await, CallOutcome::Taken(_)) {
                    break;
                }
            }
            drop(call);
        });
    }
}

#[async_trait]
impl<T: WebhookCaller + 'static> WebhookCaller for TestedWebhooks<T> {
    async fn call(&self, lease: &CallLease) -> CallOutcome {
        let _call = self.mode.outside.begin();
        if self.mode.manners.happens(Kind::WebhooksReordered) {
            self.hold(lease.clone());
            return CallOutcome::Taken(200);
        }
        let outcome = self.inner.call(lease).await;
        if self.mode.manners.happens(Kind::WebhooksDoubled) {
            self.inner.call(lease).await;
        }
        self.mode.held_calls.release();
        outcome
    }
}

/// Calls clients, or a push service.
pub(crate) struct Tested<T> {
    pub(crate) inner: T,
    pub(crate) mode: Arc<TestMode>,
}

#[async_trait]
impl<T: ClientCaller> ClientCaller for Tested<T> {
    async fn call(&self, request: &BackchannelRequest, ended: Ended) -> CallOutcome {
        let _call = self.mode.outside.begin();
        self.inner.call(request, ended).await
    }
}

#[async_trait]
impl Provider for Tested<Box<dyn Provider>> {
    async fn send(&self, push: &Push) -> Attempt {
        if self.mode.manners.happens(Kind::ProvidersSlow) {
            // By the tester's clock, so that it is not a call that the clock waits for.
            self.mode.clock.sleep(self.mode.manners.slowness()).await;
        }
        let _call = self.mode.outside.begin();
        self.inner.send(push).await
    }

    fn outages(&self) -> Vec<Outage> {
        self.inner.outages()
    }
}
