//! Questions to other nodes, and their answers. A question has a bound in time, there is a bound on how many wait, and
//! one that nobody waits for any more is forgotten.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Client, Message, StatusCode, Subscriber};
use bytes::Bytes;
use countersign_domain::world::Clock;
use futures_util::StreamExt as _;
use tokio::sync::oneshot;

/// Questions that may wait for their answers.
const MOST: usize = 65_536;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Nobody listens there.
    Nobody,
    /// It could not be sent.
    Unsent,
    /// It was sent, and no answer came in time.
    Late,
}

impl Unanswered {
    /// In metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Unsent => "unsent",
            Self::Late => "late",
        }
    }
}

/// Questions that wait.
pub(super) struct Calls {
    /// What the subjects of answers begin with.
    inbox: String,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Message>>>,
    next: AtomicU64,
}

/// Forgets a question when its asker goes.
struct Ticket<'a> {
    calls: &'a Calls,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.calls.waiting().remove(&self.number);
    }
}

impl Calls {
    /// Answers will come to subjects below `inbox`.
    pub(super) fn new(inbox: String) -> Self {
        Self { inbox, waiting: Mutex::default(), next: AtomicU64::new(0) }
    }

    /// The subjects of all answers.
    pub(super) fn subjects(&self) -> String {
        format!("{}.*", self.inbox)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Message>>> {
        // A panic while holding the lock cannot leave the map half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out the answers that come.
    pub(super) async fn hand_out(&self, mut answers: Subscriber) {
        while let Some(answer) = answers.next().await {
            let number = answer.subject.rsplit('.').next().and_then(|end| end.parse().ok());
            let waits = number.and_then(|number: u64| self.waiting().remove(&number));
            if let Some(waits) = waits {
                // Fails if the asker goes at this moment.
                let _ = waits.send(answer);
            }
        }
    }

    /// Asks, and waits up to `within` for the first answer.
    pub(super) async fn ask(
        &self,
        client: &Client,
        clock: &dyn Clock,
        subject: String,
        question: Bytes,
        within: Duration,
    ) -> Result<Bytes, Unanswered> {
        let (waits, answer) = oneshot::channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        {
            let mut waiting = self.waiting();
            if waiting.len() >= MOST {
                return Err(Unanswered::Unsent);
            }
            waiting.insert(number, waits);
        }
        let _ticket = Ticket { calls: self, number };
        let inbox = format!("{}.{number}", self.inbox);
        let mut late = clock.sleep_until(clock.now() + within);
        tokio::select! {
            sent = client.publish_with_reply(subject, inbox, question) => {
                sent.map_err(|_| Unanswered::Unsent)?;
            }
            () = &mut late => return Err(Unanswered::Unsent),
        }
        let answer = tokio::select! {
            answer = answer => answer.map_err(|_| Unanswered::Late)?,
            () = late => return Err(Unanswered::Late),
        };
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(Unanswered::Nobody);
        }
        Ok(answer.payload)
    }
}
