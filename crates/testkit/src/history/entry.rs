//! The entries of a history.
//!
//! Clients note each response that they get, with the times before and after. Nothing is assumed of requests without a response:
//! they may have been carried out or not.

use std::sync::{Arc, Mutex, PoisonError};

use countersign_domain::challenge::{ChallengeStatus, Verdict};
use countersign_domain::ending::{NotificationStatus, StatusReason};
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;

/// What became of an answer that a device sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// It is recorded.
    Taken,
    /// The challenge was answered before.
    Refused,
    /// No response, or an error that promises nothing.
    Unknown,
}

/// A notification as a list shows it. The instants are by the server's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its SID.
    pub sid: NotificationSid,
    /// Whether the challenge caused it by being opened.
    pub automatic: bool,
    /// Its status.
    pub status: NotificationStatus,
    /// Why it has this status.
    pub reason: Option<StatusReason>,
    /// When the status last changed, in whole seconds.
    pub updated_at: Instant,
    /// The end of its TTL, in whole seconds.
    pub deadline: Instant,
}

/// What a client knows by a response or a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// A challenge was stored.
    Opened(ChallengeSid),
    /// A notification was stored.
    Notified(ChallengeSid, NotificationSid),
    /// A device sent an answer.
    Answer(ChallengeSid, Verdict, Reply),
    /// A challenge has this status; `None`: it is not there.
    Read(ChallengeSid, Option<ChallengeStatus>),
    /// A challenge has these notifications, the oldest first; `None`: it is not there.
    Listed(ChallengeSid, Option<Vec<Listed>>),
    /// A device showed the prompt of a notification, with its deadline.
    Shown(NotificationSid, Instant),
}

/// What a client knows, and the times before it asked and after it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Before the request was sent; of a prompt, when it was read.
    pub asked: Instant,
    /// After the response was read.
    pub told: Instant,
    /// What it says.
    pub known: Known,
}

/// A history that clients write. Clones write the same one.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Mutex<Vec<Entry>>>);

impl History {
    /// Notes what a client knows.
    pub fn note(&self, asked: Instant, told: Instant, known: Known) {
        self.lock().push(Entry { asked, told, known });
    }

    /// All entries so far, in the order in which they were told.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = self.lock().clone();
        entries.sort_by_key(|entry| entry.told);
        entries
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
