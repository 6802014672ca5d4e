//! The connections that read.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use countersign_store::error::StoreResult;
use rusqlite::Connection;

use crate::connection::{cannot_open, reader};
use crate::error::DatabaseError;
use crate::options::Options;

/// The pool of read connections. A read takes microseconds, so it runs on the caller's thread, which takes a connection and gives
/// it back. A connection is opened when none is idle, so no read waits for one.
pub(crate) struct Readers {
    idle: Mutex<Vec<Connection>>,
    path: Box<Path>,
    options: Options,
}

impl Readers {
    /// Opens the first connection, so that a file that cannot be read is noticed at once.
    pub(crate) fn open(path: &Path, options: &Options) -> StoreResult<Self> {
        let first = reader(path, options).map_err(|error| cannot_open(path, &error))?;
        Ok(Self { idle: Mutex::new(vec![first]), path: path.into(), options: options.clone() })
    }

    /// Runs a read, which sees every commit so far.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, DatabaseError>,
    ) -> StoreResult<T> {
        let idle = self.lock().pop();
        let db = match idle {
            Some(db) => db,
            None => reader(&self.path, &self.options)
                .map_err(|error| cannot_open(&self.path, &error))?,
        };
        let found = read(&db);
        // A connection on which a read failed is closed, since a new one may work.
        if !matches!(found, Err(DatabaseError::Sql(_))) {
            let mut idle = self.lock();
            if idle.len() < self.options.readers {
                idle.push(db);
            }
        }
        Ok(found?)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // A thread that panicked took its own connection along; the others are intact.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
