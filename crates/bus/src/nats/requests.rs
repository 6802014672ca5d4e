//! Requests to other nodes, and their replies. Each request has a timeout, the number of pending ones is bounded, and one is
//! forgotten when its caller is dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Client, StatusCode, Subscriber};
use bytes::Bytes;
use countersign_domain::world::Clock;
use futures_util::StreamExt as _;
use tokio::sync::oneshot;

use super::seal::{Binding, Nonce, Sealer};

/// Requests that may be pending.
const PENDING_MAX: usize = 65_536;

/// Why there is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestError {
    /// The subject has no subscriber.
    NoResponders,
    /// The request could not be sent.
    NotSent,
    /// The request was sent, and no reply came in time.
    Timeout,
}

impl RequestError {
    /// The label in metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NoResponders => "nobody",
            Self::NotSent => "unsent",
            Self::Timeout => "late",
        }
    }
}

/// A pending request.
struct Pending {
    /// The nonce of the request, which the reply is bound to.
    nonce: Nonce,
    reply: oneshot::Sender<Result<Bytes, RequestError>>,
}

/// The pending requests of a node.
pub(super) struct Requests {
    /// The prefix of the subjects of replies.
    inbox: String,
    pending: Mutex<HashMap<u64, Pending>>,
    next: AtomicU64,
}

/// Forgets a request when its caller is dropped.
struct PendingGuard<'a> {
    requests: &'a Requests,
    number: u64,
}

impl Drop for PendingGuard<'_> {
    fn drop(&mut self) {
        self.requests.pending().remove(&self.number);
    }
}

impl Requests {
    /// Requests whose replies come to subjects below `inbox`.
    pub(super) fn new(inbox: String) -> Self {
        Self { inbox, pending: Mutex::default(), next: AtomicU64::new(0) }
    }

    /// The subjects of all replies.
    pub(super) fn subjects(&self) -> String {
        format!("{}.*", self.inbox)
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<u64, Pending>> {
        // A panic while holding the lock cannot leave the map half changed.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes replies to their callers. A reply that does not open is dropped, and its request stays pending.
    pub(super) async fn receive_replies(&self, mut replies: Subscriber, sealer: &Sealer) {
        while let Some(reply) = replies.next().await {
            let number = reply.subject.rsplit('.').next().and_then(|end| end.parse().ok());
            let Some(number) = number else { continue };
            let nonce = self.pending().get(&number).map(|pending| pending.nonce);
            let Some(nonce) = nonce else { continue };
            let reply = if reply.status == Some(StatusCode::NO_RESPONDERS) {
                Err(RequestError::NoResponders)
            } else if let Some(plaintext) = sealer.open_reply(&reply.payload, &nonce) {
                Ok(plaintext)
            } else {
                continue;
            };
            if let Some(pending) = self.pending().remove(&number) {
                // Fails if the caller is dropped at this moment.
                let _ = pending.reply.send(reply);
            }
        }
    }

    /// Sends a request and waits up to `timeout` for the first reply.
    pub(super) async fn ask(
        &self,
        client: &Client,
        clock: &dyn Clock,
        sealer: &Sealer,
        (subject, request): (String, Bytes),
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        let (sender, reply) = oneshot::channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let inbox = format!("{}.{number}", self.inbox);
        let binding = Binding::Message { subject: &subject, reply: Some(&inbox) };
        let (sealed, nonce) = sealer.seal(&request, binding);
        {
            let mut pending = self.pending();
            if pending.len() >= PENDING_MAX {
                return Err(RequestError::NotSent);
            }
            pending.insert(number, Pending { nonce, reply: sender });
        }
        let _guard = PendingGuard { requests: self, number };
        let mut timeout = clock.sleep(timeout);
        tokio::select! {
            sent = client.publish_with_reply(subject, inbox, sealed) => {
                sent.map_err(|_| RequestError::NotSent)?;
            }
            () = &mut timeout => return Err(RequestError::NotSent),
        }
        tokio::select! {
            reply = reply => reply.unwrap_or(Err(RequestError::Timeout)),
            () = timeout => Err(RequestError::Timeout),
        }
    }
}
