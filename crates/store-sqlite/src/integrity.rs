//! Checks of the file.

use countersign_store::error::StoreResult;

use crate::error::DatabaseError;
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
        let pragma = match depth {
            Depth::Quick => "PRAGMA quick_check(10)",
            Depth::Full => "PRAGMA integrity_check(10)",
        };
        self.read_blocking(move |db| {
            let mut statement = db.prepare(pragma)?;
            let lines = statement.query_map((), |row| row.get::<_, String>(0))?;
            let lines = lines.collect::<Result<Vec<_>, _>>().map_err(DatabaseError::from)?;
            Ok(lines.into_iter().filter(|line| line != "ok").map(|line| words(&line)).collect())
        })
        .await
    }
}

/// Joins the lines of one message of SQLite.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
