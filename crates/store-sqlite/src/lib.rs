//! The default store: one SQLite file, one writer thread, group commit.
//!
//! Writes are commands, queued to one thread that commits many of them with one sync (`writer.rs`); reads run on
//! connections of their own, on the caller's thread, and see every acknowledged write. Several processes may have the
//! file open: every command takes the file's write lock before it looks at anything it decides by.

mod access_tokens;
mod accounts;
mod backlog;
mod calls;
mod cells;
mod challenges;
mod connection;
mod credentials;
mod deliveries;
mod enrolment;
mod entities;
mod events;
mod factors;
mod integrity;
mod log;
mod moving;
mod notifications;
mod opening;
mod paging;
#[cfg(test)]
mod plans;

mod prospect;
mod provider_tokens;
mod recent;
mod rows;
mod services;
mod sessions;
mod settle;
mod statement;
mod totp_factors;
mod trouble;
mod upkeep;
mod usage;
mod webhooks;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_store::StoreError;
use countersign_store::bounds::{BATCH_COMMANDS, QUEUE_COMMANDS};
use countersign_store::error::StoreResult;
use countersign_store::schema::SchemaPolicy;
use countersign_store::seam::Store;
use rusqlite::Connection;

pub use integrity::Depth;

use connection::Readers;
use trouble::Trouble;
use writer::{Command, Writer};

/// How the file is opened and worked on.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many connections that read are kept open while nobody uses them.
    pub readers: usize,
    /// How many commands may wait for the writer; one more is refused at once, as unavailable.
    pub queue: usize,
    /// How many commands share a commit at most.
    pub batch: usize,
    /// The writer's page cache, in MiB. Small on purpose: whenever a commit has split a leaf, SQLite walks through all of
    /// it, and what it does not hold is in the map of the file anyway.
    pub cache_mib: u32,
    /// How much of the file is mapped into memory, in MiB; 0: nothing, it is read page by page. Only what is read takes
    /// memory, and the system takes that back when it needs it.
    pub mmap_mib: u32,
    /// Whenever the log has grown by so many pages of 4 KiB they are copied into the file, beside the writer. Few on purpose:
    /// what is written into the file all over is synced at once, and a commit meanwhile waits behind it.
    pub log_pages: u32,
    /// At so many pages the writer lends a hand, so that the log begins anew; at twice as many it waits for the copying.
    pub log_pages_most: u32,
    /// How long a command waits while another process writes.
    pub busy_timeout: Duration,
    /// How many pages of 4 KiB the file may have; a write that needs more finds the database unavailable.
    pub max_pages: Option<u32>,
    /// What is done about a schema of another version.
    pub schema_policy: SchemaPolicy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 4,
            queue: QUEUE_COMMANDS,
            batch: BATCH_COMMANDS,
            cache_mib: 4,
            mmap_mib: 2_047,
            log_pages: 100,
            log_pages_most: 64_000,
            busy_timeout: Duration::from_secs(5),
            max_pages: None,
            schema_policy: SchemaPolicy::Serve,
        }
    }
}

/// A store in one SQLite file. Dropping it waits until everything queued is written.
pub struct SqliteStore {
    // the readers go first, so that the writer is the last to close the file and folds its log back
    readers: Arc<Readers>,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the file and sees to its schema, as [`Options::schema_policy`] says. A file that it makes has mode 0600.
    ///
    /// # Errors
    /// The file cannot be opened or written, or its schema is of another version and cannot or may not be migrated.
    pub fn open(path: impl AsRef<Path>, options: Options) -> StoreResult<Self> {
        let path = path.as_ref();
        if options.schema_policy.creates() {
            connection::make(path)?;
        }
        let mut db = connection::writer(path, &options)?;
        connection::migrate(&mut db, path, options.schema_policy)?;
        Ok(Self {
            readers: Arc::new(Readers::open(path, &options)?),
            writer: Writer::start(db, path.to_owned(), options)?,
        })
    }

    /// Queues a command and waits until it is committed.
    async fn write<C: Command>(&self, command: C) -> StoreResult<C::Answer> {
        self.writer.run(command).await
    }

    /// Reads.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Trouble>) -> StoreResult<T> {
        self.readers.read(read)
    }

    /// Reads what would keep a thread that serves requests for too long, on a thread for such work.
    async fn read_aside<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> StoreResult<T> {
        let readers = Arc::clone(&self.readers);
        let found = tokio::task::spawn_blocking(move || readers.read(read)).await;
        found.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl Store for SqliteStore {}

/// A number of rows for `LIMIT`.
fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// A value as the JSON text that a column keeps.
fn json<T: serde::Serialize>(value: &T) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}
