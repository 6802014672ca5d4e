//! Webhooks that respond as a test sets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_domain::call_response::CallResponse;
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

/// All webhooks; they respond with 200 unless set otherwise.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Arc<Mutex<Inner>>, watch::Sender<usize>);

impl Hooks {
    /// Sets the status that a webhook responds with; `None`: it never responds.
    pub(crate) fn answer(&self, webhook: WebhookSid, answer: Option<u16>) {
        self.0.lock().unwrap().answers.insert(webhook, answer);
    }

    /// Waits until this many calls have been made, to all webhooks.
    pub(crate) async fn wait_for(&self, calls: usize) {
        self.1.subscribe().wait_for(|total| *total >= calls).await.unwrap();
    }

    /// The ids and types of the calls to a webhook so far.
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
            Some(status) => CallOutcome::Refused(CallResponse::bare(status)),
            None => std::future::pending().await,
        }
    }
}
