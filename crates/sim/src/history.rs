//! What happened in a run: the input of the checker.

use std::sync::{Arc, Mutex, PoisonError};

use countersign_domain::challenge::{ChallengeStatus, Verdict};
use countersign_domain::ending::Ending;
use countersign_domain::outcome::Outcome;
use countersign_domain::sid::{ChallengeSid, FactorSid, NotificationSid};

use crate::clock::Time;

/// The run of a process: the number of its start, counted over all nodes.
pub type NodeRun = usize;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A process started.
    Started(NodeRun),
    /// A process was told to stop, and finishes what it has begun.
    Stopping(NodeRun),
    /// A process ended.
    Ended(NodeRun),
    /// A process was held.
    Paused(NodeRun),
    /// A process went on.
    Resumed(NodeRun),
    /// A node lost the bus, or has it again.
    Link(NodeRun, bool),
    /// The database went away, or is back.
    Outage(bool),
    /// A client was told that a challenge was opened.
    Opened(ChallengeSid),
    /// A client was told that a notification was stored.
    Notified(ChallengeSid, NotificationSid),
    /// A client was told why a request failed.
    Refused(&'static str, String),
    /// A client got no response, or hung up.
    NoResponse(&'static str),
    /// A node handed a push to a provider.
    Attempt(Attempt),
    /// An attempt, by its number, had an outcome.
    Outcome(usize, Outcome),
    /// A node gave an attempt up, by its number.
    GivenUp(usize),
    /// A device connected to a node.
    Connected(FactorSid, NodeRun),
    /// A device left, or vanished.
    Left(FactorSid, NodeRun),
    /// A device showed a prompt that was written to its stream.
    Shown(FactorSid, NotificationSid),
    /// A device sent an answer.
    AnswerSent(ChallengeSid, Verdict),
    /// A device was told that its answer is recorded.
    AnswerTaken(ChallengeSid, Verdict),
    /// A client read a challenge.
    Read {
        /// The challenge.
        challenge: ChallengeSid,
        /// Its status.
        status: ChallengeStatus,
        /// When the client asked, in microseconds since the run began.
        began: u64,
    },
    /// Faults ended.
    Calm,
}

/// The beginning of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Its number in the run.
    pub number: usize,
    /// The process that makes it.
    pub node: NodeRun,
    /// Whether it goes over the stream.
    pub is_stream: bool,
    /// The notification.
    pub notification: NotificationSid,
    /// The device.
    pub factor: FactorSid,
    /// Whether there may be only one attempt.
    pub once: bool,
    /// The microseconds until the deadline, by the clock of the node; negative after it.
    pub left: i64,
    /// The same by the true time.
    pub truly_left: i64,
}

/// A notification as the database holds it at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its SID.
    pub sid: NotificationSid,
    /// Whether the challenge caused it by being opened.
    pub automatic: bool,
    /// Its ending; `None` while it still causes work.
    pub ending: Option<Ending>,
    /// The state of its delivery, in words.
    pub delivery: String,
}

/// A challenge as the database holds it at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptChallenge {
    /// Its SID.
    pub sid: ChallengeSid,
    /// Its status.
    pub status: ChallengeStatus,
    /// Its notifications.
    pub notifications: Vec<Kept>,
}

/// Everything that happened, in order, each with the microseconds since the run began; and what is kept at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// What happened.
    pub events: Vec<(u64, Event)>,
    /// All challenges at the end.
    pub kept: Vec<KeptChallenge>,
}

/// Writes a history. Clones write the same one.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    time: Time,
    events: Arc<Mutex<Vec<(u64, Event)>>>,
}

impl Recorder {
    /// A recorder of an empty history.
    pub(crate) fn new(time: Time) -> Self {
        Self { time, events: Arc::default() }
    }

    /// Notes an event as happening now.
    pub(crate) fn note(&self, event: Event) {
        let now = self.now();
        self.lock().push((now, event));
    }

    /// The microseconds since the run began.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.time.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Takes the events so far.
    pub(crate) fn take(&self) -> Vec<(u64, Event)> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Event)>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
