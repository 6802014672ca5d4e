//! A database in memory: for the simulation, where nothing may depend on threads or on a disk.
//!
//! Commands run at once, on the caller's task, through the same transactions as those of a file ([`crate::batch`]). Every command
//! passes one place, where a [`Faults`] may delay it, refuse it, or keep its result from the caller.

use std::any::type_name;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use countersign_store::error::{StoreError, StoreResult};
use rusqlite::Connection;
use rusqlite::backup::Backup;

use crate::batch::{Slot, transact};
use crate::command::Command;
use crate::connection;
use crate::error::DatabaseError;
use crate::options::Options;
use crate::statement::execute;

/// What goes wrong between a process and its database.
#[async_trait]
pub trait Faults: Send + Sync {
    /// Is called before a command, named by its Rust type, is carried out. May wait. If it fails, nothing is written.
    async fn before(&self, command: &'static str) -> StoreResult<()>;

    /// Is called after a command was committed. May wait. If it fails, the caller does not learn of the commit.
    async fn after(&self, command: &'static str) -> StoreResult<()>;

    /// Is called before each read.
    ///
    /// # Errors
    /// The read fails with the error.
    fn before_read(&self) -> StoreResult<()>;
}

/// A database in memory. Clones are the same database.
#[derive(Clone)]
pub struct MemoryDatabase(Arc<Mutex<Connection>>);

impl MemoryDatabase {
    /// A new database with the schema of this version.
    ///
    /// # Errors
    /// There is no memory.
    pub fn new() -> StoreResult<Self> {
        /// The migrations run once in a process. Afterwards their result is copied.
        static BLANK: OnceLock<Mutex<Connection>> = OnceLock::new();
        let blank = match BLANK.get() {
            Some(blank) => blank,
            None => {
                let migrated = Mutex::new(migrated()?);
                BLANK.get_or_init(|| migrated)
            }
        };
        let mut db = open().map_err(DatabaseError::from)?;
        let copied = Backup::new(&lock(blank), &mut db).and_then(|copy| copy.step(-1));
        copied.map_err(DatabaseError::from)?;
        Ok(Self(Arc::new(Mutex::new(db))))
    }
}

/// One process's way to a database in memory.
pub(crate) struct Memory {
    db: MemoryDatabase,
    faults: Option<Arc<dyn Faults>>,
}

impl Memory {
    pub(crate) fn new(db: MemoryDatabase, faults: Option<Arc<dyn Faults>>) -> Self {
        Self { db, faults }
    }

    /// Carries a command out.
    pub(crate) async fn run<C: Command>(&self, command: C) -> StoreResult<C::Output> {
        let Some(faults) = &self.faults else { return self.carry_out(command) };
        faults.before(type_name::<C>()).await?;
        let result = self.carry_out(command);
        faults.after(type_name::<C>()).await?;
        result
    }

    fn carry_out<C: Command>(&self, command: C) -> StoreResult<C::Output> {
        let (job, mut result) = Slot::job(command);
        let mut batch = [job];
        let db = lock(&self.db.0);
        let committed = transact(&db, &mut batch);
        if !db.is_autocommit() {
            execute(&db, "ROLLBACK", ())?;
        }
        let [job] = batch;
        match committed {
            Ok(()) => job.send(),
            Err(failed) => job.fail(failed.error),
        }
        let lost = |_| Err(StoreError::Unavailable("a command had no result".to_owned()));
        result.try_recv().unwrap_or_else(lost)
    }

    /// Runs a read.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, DatabaseError>,
    ) -> StoreResult<T> {
        if let Some(faults) = &self.faults {
            faults.before_read()?;
        }
        Ok(read(&lock(&self.db.0))?)
    }
}

fn open() -> Result<Connection, rusqlite::Error> {
    let db = Connection::open_in_memory()?;
    connection::prepare(&db, &Options::default())?;
    db.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY;")?;
    Ok(db)
}

fn migrated() -> StoreResult<Connection> {
    let mut db = open().map_err(DatabaseError::from)?;
    let policy = Options::default().schema_policy;
    connection::migrate(&mut db, Path::new(":memory:"), policy)?;
    Ok(db)
}

fn lock(db: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // A command that panicked is rolled back before the next one begins.
    db.lock().unwrap_or_else(PoisonError::into_inner)
}
