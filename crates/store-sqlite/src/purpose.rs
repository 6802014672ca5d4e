//! What a file is for: people, or tests. A test database is marked in the header of its file (`PRAGMA application_id`), which every
//! copy keeps.

use std::path::Path;

use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use rusqlite::{Connection, OptionalExtension as _};

use crate::cells::cells_of;
use crate::command::Command;
use crate::connection::{self, cannot_open};
use crate::error::DatabaseError;
use crate::options::Options;
use crate::statement::{one, statements};
use crate::store::SqliteStore;

/// The mark: "CStm".
const MARK: i32 = 0x4353_746D;

statements! {
    NEXT_OVERDUE_PARKED = "SELECT wake_at FROM deliveries WHERE state = 'parked' ORDER BY wake_at LIMIT 1";
    NEXT_OVERDUE_DUE = "SELECT deadline FROM deliveries \
                        INDEXED BY deliveries_overdue WHERE state = 'due' AND deadline > 0 ORDER BY deadline LIMIT 1";
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// There is no file, or no server has used it.
    Undecided,
    /// It is a test database.
    Test,
    /// It holds what people rely on.
    Real,
}

/// Reads what a file is for. Changes nothing.
///
/// # Errors
/// The file is there and cannot be read.
pub fn purpose(path: &Path) -> StoreResult<Purpose> {
    if !path.exists() {
        return Ok(Purpose::Undecided);
    }
    let db = connection::reader(path, &Options::default());
    let db = db.map_err(|error| cannot_open(path, &error))?;
    Ok(purpose_of(&db).map_err(DatabaseError::from)?)
}

fn purpose_of(db: &Connection) -> Result<Purpose, rusqlite::Error> {
    const HAS_INSTALLATION: &str =
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'installation'";
    const IS_USED: &str = "SELECT 1 FROM installation WHERE id = 1 AND key_check IS NOT NULL";
    if db.query_row("PRAGMA application_id", (), |row| row.get::<_, i32>(0))? == MARK {
        return Ok(Purpose::Test);
    }
    let finds = |sql| db.query_row(sql, (), |_| Ok(())).optional().map(|found| found.is_some());
    let is_used = finds(HAS_INSTALLATION)? && finds(IS_USED)?;
    Ok(if is_used { Purpose::Real } else { Purpose::Undecided })
}

struct Mark;

impl Command for Mark {
    type Output = ();

    fn run(&self, db: &Connection) -> Result<(), DatabaseError> {
        Ok(db.pragma_update(None, "application_id", MARK)?)
    }
}

impl SqliteStore {
    /// What the file is for.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn purpose(&self) -> StoreResult<Purpose> {
        self.read(|db| Ok(purpose_of(db)?))
    }

    /// Marks the file as a test database, for good.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn mark_as_test(&self) -> StoreResult<()> {
        self.write(Mark).await
    }

    /// When the next delivery that waits passes its deadline, if one waits: for a test clock, which stops there.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn next_deadline(&self) -> StoreResult<Option<Instant>> {
        self.read(|db| {
            let first =
                |sql| one(db, sql, (), |row| cells_of(row, "deliveries").map(Instant::from_micros));
            let (parked, due) = (first(NEXT_OVERDUE_PARKED)?, first(NEXT_OVERDUE_DUE)?);
            Ok(parked.into_iter().chain(due).min())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_store::conformance::Fixture;
    use countersign_store::seam::{Deliveries as _, Upkeep as _};

    use super::*;

    #[tokio::test]
    async fn a_file_is_undecided_until_it_is_used_or_marked_and_keeps_its_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        assert_eq!(purpose(&path), Ok(Purpose::Undecided), "there is none");
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        assert_eq!(
            (purpose(&path), store.purpose()),
            (Ok(Purpose::Undecided), Ok(Purpose::Undecided))
        );
        store.key_check([1; 32]).await.unwrap();
        assert_eq!((purpose(&path), store.purpose()), (Ok(Purpose::Real), Ok(Purpose::Real)));
        store.mark_as_test().await.unwrap();
        assert_eq!((purpose(&path), store.purpose()), (Ok(Purpose::Test), Ok(Purpose::Test)));

        let copy = folder.path().join("copy.db");
        std::fs::write(&copy, "").unwrap();
        crate::copy_file(&path, &copy, |_, _| {}).unwrap();
        assert_eq!(purpose(&copy), Ok(Purpose::Test), "a copy is one, too");
        drop(store);
        assert_eq!(purpose(&path), Ok(Purpose::Test));
    }

    #[tokio::test]
    async fn the_next_deadline_is_that_of_the_delivery_that_waits() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("store.db"), Options::default()).unwrap();
        let store = Arc::new(store);
        assert_eq!(store.next_deadline(), Ok(None));
        let fixture = Fixture::new(Arc::clone(&store) as _);
        let factor = fixture.factor().await;
        let challenge = fixture.challenge(&factor).await;
        let parked = fixture.parked(&challenge).await.delivery;
        assert_eq!(store.next_deadline(), Ok(Some(parked.deadline)));
        fixture.pass(1);
        let due = fixture.due(&challenge).await.delivery;
        assert!(due.deadline >= parked.deadline);
        assert_eq!(store.next_deadline(), Ok(Some(parked.deadline)), "the first of both");
        store.expire(parked.deadline, 10).await.unwrap();
        let left = (due.deadline > parked.deadline).then_some(due.deadline);
        assert_eq!(store.next_deadline(), Ok(left));
    }
}
