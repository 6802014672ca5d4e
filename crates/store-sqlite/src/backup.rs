//! Copies of the whole file, taken while others write to it, and the check of a file that may take its place.

use std::path::Path;

use countersign_sqlite_file::{self as file, Ends};
use countersign_store::error::{StoreError, StoreResult};
use countersign_store::schema::{SchemaPolicy, check};
use countersign_store_sql::migrations;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, ffi};

use crate::connection::{self, applied, cannot_open, serves_from};
use crate::error::DatabaseError;
use crate::integrity::{Depth, faults_of};
use crate::options::Options;

/// The pages of one step; after each the progress is told.
const STEP_PAGES: i32 = 1_000;

/// A check value is read as bytes of any length.
const KEY_CHECK: &str = "SELECT key_check FROM installation WHERE id = 1";
/// The holders of the first key, which every master key of the file opens.
const KEY_HOLDERS: &str = "SELECT holder FROM sealing_keys WHERE id = 1";
const HAS_SEALING_KEYS: &str =
    "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'sealing_keys'";

/// The kinds of file that may take the place of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// The faults of the file, in SQLite's words; empty if it is intact.
    pub faults: Vec<String>,
    /// How many migrations a server will apply.
    pub missing_migrations: usize,
    /// The check value of the master key.
    pub key_check: Option<Vec<u8>>,
    /// The holders of the sealing keys: two master keys in the middle of a rotation, none before the first.
    pub key_holders: Vec<Vec<u8>>,
}

/// Copies a database, as it is now, to an existing empty file, which then needs no other file beside it. Blocks neither readers
/// nor writers of the source; its write-ahead log is not shortened meanwhile. `tell` is called with the pages that are copied and
/// the pages there are. Nothing is synced.
///
/// # Errors
/// The source cannot be read, or the target cannot be written.
pub fn copy_file(source: &Path, target: &Path, mut tell: impl FnMut(u64, u64)) -> StoreResult<()> {
    let options = Options::default();
    let from = connection::reader(source, &options).map_err(|error| cannot_open(source, &error))?;
    let to = || connection::plain(target, &options).map_err(|error| cannot_open(target, &error));
    copy(&from, &mut to()?, &mut tell)?;
    // The copy is in the mode of the source, which keeps its last commits in a file of their own.
    let leave_wal = |db: Connection| db.query_row("PRAGMA journal_mode = DELETE", (), |_| Ok(()));
    leave_wal(to()?).map_err(DatabaseError::from)?;
    Ok(())
}

fn copy(
    source: &Connection,
    target: &mut Connection,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<(), DatabaseError> {
    // Every step copies from the snapshot of this read. Without it a copy starts again after each commit of others.
    let snapshot = source.unchecked_transaction()?;
    snapshot.query_row("SELECT count(*) FROM sqlite_master", (), |_| Ok(()))?;
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    if file::ends(source)? == Ends::Checksums {
        // A first page, from which on every page that is written gets its checksum.
        file::reserve(target)?;
        target.execute_batch("PRAGMA user_version = 1")?;
    }
    let backup = Backup::new(&snapshot, target)?;
    loop {
        let step = backup.step(STEP_PAGES)?;
        let progress = backup.progress();
        let pages = |count: i32| u64::try_from(count).unwrap_or(0);
        tell(pages(progress.pagecount - progress.remaining), pages(progress.pagecount));
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            // Nobody else has the target, and the snapshot is held already.
            _ => {
                return Err(rusqlite::Error::SqliteFailure(
                    ffi::Error::new(ffi::SQLITE_BUSY),
                    None,
                )
                .into());
            }
        }
    }
}

/// Checks a file that may take the place of the database: that every page, row and index is well-formed, and that this version can
/// serve its schema. Changes nothing.
///
/// # Errors
/// It cannot be read, is no database of this server, or its schema was made by a newer version.
pub fn inspect_file(path: &Path) -> StoreResult<FileReport> {
    let db = connection::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| cannot_open(path, &error))?;
    let faults = faults_of(&db, Depth::Full)?;
    if !faults.is_empty() {
        return Ok(FileReport {
            faults,
            missing_migrations: 0,
            key_check: None,
            key_holders: Vec::new(),
        });
    }
    let fail = |error: &dyn std::fmt::Display| StoreError::Unavailable(error.to_string());
    let known = connection::known_migrations().map_err(|error| fail(&error))?;
    let known: Vec<_> = known.iter().map(migrations::step).collect();
    let applied = applied(&db).map_err(DatabaseError::from)?;
    if applied.is_empty() {
        return Err(fail(&"it is no database of Countersign"));
    }
    let oldest = serves_from(&db, &applied, &known).map_err(DatabaseError::from)?;
    let begin = check(SchemaPolicy::Serve, &known, &applied, oldest).map_err(|why| fail(&why))?;
    let key_check = db.query_row(KEY_CHECK, (), |row| row.get(0)).optional();
    Ok(FileReport {
        faults,
        missing_migrations: known.len() - begin,
        key_check: key_check.map_err(DatabaseError::from)?.flatten(),
        key_holders: key_holders(&db).map_err(DatabaseError::from)?,
    })
}

fn key_holders(db: &Connection) -> rusqlite::Result<Vec<Vec<u8>>> {
    if !db.prepare(HAS_SEALING_KEYS)?.exists(())? {
        return Ok(Vec::new());
    }
    db.prepare(KEY_HOLDERS)?.query_map((), |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::PathBuf;

    use super::*;
    use crate::SqliteStore;

    /// A folder with a database, and an empty file beside it.
    fn stage() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("source.db"), folder.path().join("target.db"));
        drop(SqliteStore::open(&source, Options::default()).unwrap());
        File::create(&target).unwrap();
        (folder, source, target)
    }

    fn plain(path: &Path) -> Connection {
        connection::plain(path, &Options::default()).unwrap()
    }

    #[test]
    fn a_copy_holds_one_moment_though_others_write_and_checkpoint_meanwhile() {
        let (folder, source, target) = stage();
        let writer = plain(&source);
        writer.execute_batch("CREATE TABLE pile (number INTEGER, filler BLOB)").unwrap();
        let add = "INSERT INTO pile SELECT ?1, randomblob(100000) FROM pile UNION ALL SELECT ?1, randomblob(100000)";
        for number in 0..7 {
            writer.execute(add, [number]).unwrap();
        }
        let mut told = Vec::new();
        copy_file(&source, &target, |copied, all| {
            told.push((copied, all));
            writer.execute("INSERT INTO pile VALUES (99, randomblob(5000))", ()).unwrap();
            writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(())).unwrap();
        })
        .unwrap();
        assert!(
            told.len() > 2 && told.is_sorted(),
            "several steps, and none starts again: {told:?}"
        );
        assert!(told.last().is_some_and(|(copied, all)| copied == all));
        let count = |path: &Path| -> (i64, i64) {
            let sql = "SELECT count(*), count(*) FILTER (WHERE number = 99) FROM pile";
            plain(path).query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
        };
        assert_eq!(count(&target), (127, 0));
        assert_eq!(count(&source).1, told.len() as i64);
        assert_eq!(inspect_file(&target).unwrap().faults, Vec::<String>::new());
        let beside =
            std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name());
        let names: Vec<_> =
            beside.filter(|name| name.to_string_lossy().starts_with("target")).collect();
        assert_eq!(names, ["target.db"], "it needs nothing beside it");
    }

    #[test]
    fn a_file_that_is_damaged_foreign_or_newer_is_not_taken() {
        let (folder, source, _) = stage();
        assert_eq!(inspect_file(&source).unwrap().missing_migrations, 0);

        let foreign = folder.path().join("foreign.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(
            inspect_file(&foreign).unwrap_err().to_string().contains("no database of Countersign")
        );
        std::fs::write(&foreign, "a text, and a long one: ".repeat(100)).unwrap();
        assert!(inspect_file(&foreign).unwrap_err().to_string().contains("not a database"));

        let newer = "INSERT INTO refinery_schema_history VALUES (900, 'later', '', '1'); UPDATE installation SET serves_from = 900";
        plain(&source).execute_batch(newer).unwrap();
        assert!(inspect_file(&source).unwrap_err().to_string().contains("newer version"));

        let (_folder, damaged, _) = stage();
        plain(&damaged).query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).unwrap();
        let mut bytes = std::fs::read(&damaged).unwrap();
        bytes[3 * 4_096..8 * 4_096].fill(0x55);
        std::fs::write(&damaged, bytes).unwrap();
        let found = inspect_file(&damaged);
        assert!(found.as_ref().map_or(true, |report| !report.faults.is_empty()), "{found:?}");
    }
}
