//! Checks of the file.

use countersign_store::error::StoreResult;
use rusqlite::Connection;

use crate::error::{DatabaseError, WRONG_PAGE};
use crate::store::SqliteStore;

/// How thorough a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Reads every page and checks that its rows are well-formed.
    Quick,
    /// Also checks that every index agrees with its table; takes several times as long.
    Full,
}

impl SqliteStore {
    /// Lists what is wrong with the file, in SQLite's words, at most ten lines. Reads the whole file in one snapshot, which prevents
    /// checkpoints meanwhile. The schema has no foreign keys that could be broken.
    ///
    /// # Errors
    /// The file cannot be read for another reason.
    pub async fn faults(&self, depth: Depth) -> StoreResult<Vec<String>> {
        self.read_blocking(move |db| faults_of(db, depth)).await
    }
}

/// Lists what is wrong with the file of a connection.
pub(crate) fn faults_of(db: &Connection, depth: Depth) -> Result<Vec<String>, DatabaseError> {
    let mut statement = db.prepare(match depth {
        Depth::Quick => "PRAGMA quick_check(10)",
        Depth::Full => "PRAGMA integrity_check(10)",
    })?;
    let lines = statement.query_map((), |row| row.get::<_, String>(0))?;
    let lines = match lines.collect::<Result<Vec<_>, _>>() {
        Err(error) if countersign_sqlite_file::is_wrong_page(&error) => {
            return Ok(vec![WRONG_PAGE.to_owned()]);
        }
        lines => lines.map_err(DatabaseError::from)?,
    };
    Ok(lines.into_iter().filter(|line| line != "ok").map(|line| words(&line)).collect())
}

/// Joins the lines of one message of SQLite.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
