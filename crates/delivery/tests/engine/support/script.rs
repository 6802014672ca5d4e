//! A scripted provider that records its calls.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::Push;
use countersign_domain::sid::NotificationSid;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use countersign_providers::Provider;
use tokio::sync::Notify;

/// The reaction to one push.
#[derive(Clone)]
pub(crate) enum Act {
    Say(Outcome),
    /// Never return.
    Hang,
    /// Accept once notified.
    WaitFor(Arc<Notify>),
    Panic,
}

/// A recorded push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    pub(crate) notification: NotificationSid,
    pub(crate) deadline: Instant,
    pub(crate) remaining: u64,
}

/// Follows its acts in order, then accepts every push.
#[derive(Clone)]
pub(crate) struct Script {
    clock: Arc<dyn Clock>,
    acts: Arc<Mutex<VecDeque<Act>>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Script {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, acts: Arc::default(), calls: Arc::default() }
    }

    pub(crate) fn then(&self, acts: impl IntoIterator<Item = Act>) {
        self.acts.lock().unwrap().extend(acts);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl Provider for Script {
    async fn send(&self, push: &Push) -> Attempt {
        let at = self.clock.now();
        self.calls.lock().unwrap().push(Call {
            at,
            notification: push.notification,
            deadline: push.expires_at,
            remaining: push.remaining_seconds(at),
        });
        let act = self.acts.lock().unwrap().pop_front();
        match act.unwrap_or(Act::Say(Outcome::Accepted)) {
            Act::Say(outcome) => Attempt::plain(outcome, None),
            Act::Hang => std::future::pending().await,
            Act::WaitFor(word) => {
                word.notified().await;
                Attempt::plain(Outcome::Accepted, None)
            }
            Act::Panic => panic!("as the script says"),
        }
    }
}
