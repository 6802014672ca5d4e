//! Questions to other nodes, and their answers. A question has a bound in time, there is a bound on how many wait, and
//! one that nobody waits for any more is forgotten.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Client, StatusCode, Subscriber};
use bytes::Bytes;
use countersign_domain::world::Clock;
use futures_util::StreamExt as _;
use tokio::sync::oneshot;

use super::seal::{Nonce, Place, Sealer};

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

/// A question that waits, and the nonce that its answer is bound to.
struct Waiting {
    question: Nonce,
    tell: oneshot::Sender<Result<Bytes, Unanswered>>,
}

/// Questions that wait.
pub(super) struct Calls {
    /// What the subjects of answers begin with.
    inbox: String,
    waiting: Mutex<HashMap<u64, Waiting>>,
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

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        // A panic while holding the lock cannot leave the map half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out the answers that come. One that does not open is dropped, and its question goes on waiting.
    pub(super) async fn hand_out(&self, mut answers: Subscriber, sealer: &Sealer) {
        while let Some(answer) = answers.next().await {
            let number = answer.subject.rsplit('.').next().and_then(|end| end.parse().ok());
            let Some(number) = number else { continue };
            let question = self.waiting().get(&number).map(|waiting| waiting.question);
            let Some(question) = question else { continue };
            let answer = if answer.status == Some(StatusCode::NO_RESPONDERS) {
                Err(Unanswered::Nobody)
            } else if let Some(said) = sealer.open_answer(&answer.payload, &question) {
                Ok(said)
            } else {
                continue;
            };
            if let Some(waiting) = self.waiting().remove(&number) {
                // Fails if the asker goes at this moment.
                let _ = waiting.tell.send(answer);
            }
        }
    }

    /// Asks, and waits up to `within` for the first answer.
    pub(super) async fn ask(
        &self,
        client: &Client,
        clock: &dyn Clock,
        sealer: &Sealer,
        (subject, question): (String, Bytes),
        within: Duration,
    ) -> Result<Bytes, Unanswered> {
        let (tell, answer) = oneshot::channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let inbox = format!("{}.{number}", self.inbox);
        let place = Place::To { subject: &subject, reply: Some(&inbox) };
        let (sealed, nonce) = sealer.seal(&question, place);
        {
            let mut waiting = self.waiting();
            if waiting.len() >= MOST {
                return Err(Unanswered::Unsent);
            }
            waiting.insert(number, Waiting { question: nonce, tell });
        }
        let _ticket = Ticket { calls: self, number };
        let mut late = clock.sleep(within);
        tokio::select! {
            sent = client.publish_with_reply(subject, inbox, sealed) => {
                sent.map_err(|_| Unanswered::Unsent)?;
            }
            () = &mut late => return Err(Unanswered::Unsent),
        }
        tokio::select! {
            answer = answer => answer.unwrap_or(Err(Unanswered::Late)),
            () = late => Err(Unanswered::Late),
        }
    }
}
