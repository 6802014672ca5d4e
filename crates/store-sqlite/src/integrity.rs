//! Whether the file is whole.

use countersign_store::error::StoreResult;

use crate::SqliteStore;
use crate::trouble::Trouble;

/// How much is read to find out whether a file is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every page, and whether its rows are well-formed.
    Quick,
    /// The same, and whether every index agrees with its table; several times as long.
    Full,
}

impl SqliteStore {
    /// What is wrong with the file, in SQLite's words, at most ten lines; nothing if it is whole. Reads all of the file in one
    /// snapshot, and its log is not folded back meanwhile. The schema has no foreign keys that could be broken.
    ///
    /// # Errors
    /// It cannot be read for another reason.
    pub async fn faults(&self, depth: Depth) -> StoreResult<Vec<String>> {
        let pragma = match depth {
            Depth::Quick => "PRAGMA quick_check(10)",
            Depth::Full => "PRAGMA integrity_check(10)",
        };
        self.read_aside(move |db| {
            let mut statement = db.prepare(pragma)?;
            let lines = statement.query_map((), |row| row.get::<_, String>(0))?;
            let lines = lines.collect::<Result<Vec<_>, _>>().map_err(Trouble::from)?;
            Ok(lines.into_iter().filter(|line| line != "ok").map(|line| words(&line)).collect())
        })
        .await
    }
}

/// A line of SQLite's, which may itself have several.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
