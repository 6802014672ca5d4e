//! The transparency log.

use async_trait::async_trait;
use countersign_domain::fact::{Fact, FactEntry};
use countersign_domain::secret::Sealed;
use countersign_domain::sid::{AccountSid, ChallengeSid};
use countersign_domain::time::Instant;

use crate::error::StoreResult;

/// The first values of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBeginning {
    /// The name of the log.
    pub origin: String,
    /// The seed of its key.
    pub key: Sealed,
}

/// The state of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// Its first values.
    pub beginning: LogBeginning,
    /// Entries in the tree.
    pub size: u64,
    /// Entries before this one may be gone.
    pub pruned: u64,
    /// The size of the checkpoint; 0 without one.
    pub published: u64,
    /// The signed note that is served.
    pub checkpoint: Option<String>,
}

/// The key of a fact, until it is an entry.
pub type FactKey = (i64, [u8; 16]);

/// A tile of hashes: its level and number, and the hashes that it has.
pub type LogTile = (u8, u64, Vec<u8>);

/// A step of the log: facts that become the next entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStep {
    /// The size of the tree before.
    pub from: u64,
    /// The facts.
    pub facts: Vec<FactKey>,
    /// Their entries, in the same order.
    pub entries: Vec<FactEntry>,
    /// The tiles that grew.
    pub tiles: Vec<LogTile>,
    /// Challenges whose expiry is a fact, if nothing else comes first.
    pub watches: Vec<(Instant, ChallengeSid)>,
}

/// An entry that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its index.
    pub number: u64,
    /// When it happened.
    pub at: Instant,
    /// The entry.
    pub entry: String,
    /// The salt of its commitment and what it commits to; `None` once they are erased.
    pub opening: Option<(Vec<u8>, String)>,
}

/// The transparency log. From its beginning on, the transaction of every change also notes a fact. The order of the facts is the order
/// of the entries; changes whose transactions overlap have either order.
#[async_trait]
pub trait Transparency {
    /// Begins the log, if there is none; notes facts from now on. Returns the state.
    async fn begin_log(&self, beginning: &LogBeginning) -> StoreResult<LogState>;
    /// Notes no more facts. The log stays as it is. Does nothing if there is none.
    async fn pause_log(&self) -> StoreResult<()>;
    /// Reads the state, if there is a log.
    async fn log_state(&self) -> StoreResult<Option<LogState>>;
    /// Notes that up to `most` challenges expired at `before` or earlier without an answer. Returns how many were looked at.
    async fn note_expiries(&self, before: Instant, most: usize) -> StoreResult<usize>;
    /// Reads the next facts, at most `most`.
    async fn facts(&self, most: usize) -> StoreResult<Vec<(FactKey, Fact)>>;
    /// Makes entries of facts: all, or none if the tree has another size by now. Returns whether it did. An entry about a deleted
    /// person is stored without its opening.
    async fn add_entries(&self, step: &LogStep) -> StoreResult<bool>;
    /// Replaces the checkpoint by one of a larger tree. Returns whether it did.
    async fn publish_log(&self, size: u64, checkpoint: &str) -> StoreResult<bool>;
    /// Reads the hashes of a tile.
    async fn log_tile(&self, level: u8, number: u64) -> StoreResult<Option<Vec<u8>>>;
    /// Reads entries from an index on, at most `most`.
    async fn log_entries(&self, from: u64, most: usize) -> StoreResult<Vec<StoredEntry>>;
    /// Reads the newest entries of an account before an index, at most `most`, the newest first.
    async fn log_entries_of(
        &self,
        account: AccountSid,
        before: u64,
        most: usize,
    ) -> StoreResult<Vec<StoredEntry>>;
    /// Reads the entries about a resource, given the bytes of its SID, at most `most`.
    async fn log_entries_about(
        &self,
        subject: [u8; 16],
        most: usize,
    ) -> StoreResult<Vec<StoredEntry>>;
    /// Removes the oldest full bundle of 256 entries if all of them happened at `before` or earlier and are in the checkpoint. The
    /// tiles of hashes stay. Returns how many entries it removed.
    async fn prune_log(&self, before: Instant) -> StoreResult<usize>;
}
