//! The store: one writer and several readers of a file, or a database in memory.

use std::path::Path;
use std::sync::Arc;

use countersign_domain::audit::AuditEntry;
use countersign_store::error::{StoreError, StoreResult};
use countersign_store::seam::{Outcome, Store};
use rusqlite::Connection;

use crate::audited::Audited;
use crate::command::Command;
use crate::connection;
use crate::error::DatabaseError;
use crate::memory::{Faults, Memory, MemoryDatabase};
use crate::options::Options;
use crate::readers::Readers;
use crate::writer::Writer;

/// A store in one SQLite file, or in memory. Dropping its last handle waits until everything queued is written.
pub struct SqliteStore {
    place: Arc<Place>,
    /// The entry of the audit trail that commands of this handle store.
    entry: Option<Arc<AuditEntry>>,
}

/// Where the rows are.
enum Place {
    File {
        // Dropped before the writer, so that the writer closes the file last, which empties the write-ahead log.
        readers: Arc<Readers>,
        writer: Writer,
    },
    Memory(Memory),
}

impl SqliteStore {
    /// Opens the file and migrates its schema, as [`Options::schema_policy`] says. A file that it creates has mode 0600.
    ///
    /// # Errors
    /// The file cannot be opened or written, or its schema has another version and cannot or may not be migrated.
    pub fn open(path: impl AsRef<Path>, options: Options) -> StoreResult<Self> {
        let path = path.as_ref();
        if options.schema_policy.creates() {
            connection::create(path)?;
        }
        let mut db = connection::writer(path, &options)?;
        if options.schema_policy.creates() {
            db = connection::with_checksums(db, path, &options)?;
        }
        connection::migrate(&mut db, path, options.schema_policy)?;
        Ok(Self::at(Place::File {
            readers: Arc::new(Readers::open(path, &options)?),
            writer: Writer::start(db, path.to_owned(), options)?,
        }))
    }

    /// A store over a database in memory, for one process among those that use it. `faults`: what goes wrong between the two.
    pub fn in_memory(database: &MemoryDatabase, faults: Option<Arc<dyn Faults>>) -> Self {
        Self::at(Place::Memory(Memory::new(database.clone(), faults)))
    }

    fn at(place: Place) -> Self {
        Self { place: Arc::new(place), entry: None }
    }

    /// Queues a command and waits until it is committed.
    pub(crate) async fn write<C: Command>(&self, command: C) -> StoreResult<C::Output>
    where
        C::Output: Outcome,
    {
        match &self.entry {
            None => self.run(command).await,
            Some(entry) => self.run(Audited(command, Arc::clone(entry))).await,
        }
    }

    async fn run<C: Command>(&self, command: C) -> StoreResult<C::Output> {
        match &*self.place {
            Place::File { writer, .. } => writer.run(command).await,
            Place::Memory(memory) => memory.run(command).await,
        }
    }

    /// Checks that the last write succeeded and that the current one does not take too long.
    pub(crate) fn check_writer(&self) -> StoreResult<()> {
        match &*self.place {
            Place::File { writer, .. } => writer.check(),
            Place::Memory(_) => Ok(()),
        }
    }

    /// Reads on the caller's thread.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, DatabaseError>,
    ) -> StoreResult<T> {
        match &*self.place {
            Place::File { readers, .. } => readers.read(read),
            Place::Memory(memory) => memory.read(read),
        }
    }

    /// Reads on a thread for blocking work: for reads that would occupy a thread that serves requests for too long.
    pub(crate) async fn read_blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    ) -> StoreResult<T> {
        let readers = match &*self.place {
            Place::File { readers, .. } => Arc::clone(readers),
            Place::Memory(memory) => return memory.read(read),
        };
        let found = tokio::task::spawn_blocking(move || readers.read(read)).await;
        found.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    fn audited(&self, entry: AuditEntry) -> Arc<dyn Store> {
        Arc::new(Self { place: Arc::clone(&self.place), entry: Some(Arc::new(entry)) })
    }
}
