//! Applications that are told what happened, and answer as a test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_domain::event::CallId;
use countersign_domain::sid::WebhookSid;
use countersign_domain::webhook_call::{CallLease, CallOutcome};
use countersign_providers::webhook::WebhookCaller;
use tokio::sync::watch;

#[derive(Default)]
struct Inner {
    answers: HashMap<WebhookSid, Option<u16>>,
    calls: Vec<(WebhookSid, CallId, String)>,
}

/// All webhooks: 200 unless told otherwise.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Arc<Mutex<Inner>>, watch::Sender<usize>);

impl Hooks {
    /// What a webhook answers from now on; `None`: never.
    pub(crate) fn answer(&self, webhook: WebhookSid, answer: Option<u16>) {
        self.0.lock().unwrap().answers.insert(webhook, answer);
    }

    /// Waits until so many calls have come, of all webhooks.
    pub(crate) async fn wait_for(&self, calls: usize) {
        self.1.subscribe().wait_for(|total| *total >= calls).await.unwrap();
    }

    /// The calls of a webhook so far: their ids and types.
    pub(crate) fn calls(&self, webhook: WebhookSid) -> Vec<(CallId, String)> {
        let inner = self.0.lock().unwrap();
        let own = inner.calls.iter().filter(|call| call.0 == webhook);
        own.map(|(_, id, kind)| (*id, kind.clone())).collect()
    }
}

#[async_trait]
impl WebhookCaller for Hooks {
    async fn call(&self, lease: &CallLease) -> CallOutcome {
        let sid = lease.webhook.sid;
        let answer = {
            let mut inner = self.0.lock().unwrap();
            let kind = lease.parameters.iter().find(|(name, _)| name == "type").unwrap().1.clone();
            inner.calls.push((sid, lease.id, kind));
            self.1.send_replace(inner.calls.len());
            inner.answers.get(&sid).copied().unwrap_or(Some(200))
        };
        match answer {
            Some(status @ 200..=299) => CallOutcome::Taken(status),
            Some(status) => CallOutcome::Refused(status),
            None => std::future::pending().await,
        }
    }
}
