//! Commands: values that say what to write.

use rusqlite::Connection;

use crate::error::DatabaseError;

/// A value that says what to write.
pub(crate) trait Command: Send + 'static {
    /// Its result.
    type Output: Send;

    /// Writes within a transaction that the writer began. May run a second time after the first run was rolled back.
    fn run(&self, db: &Connection) -> Result<Self::Output, DatabaseError>;
}
