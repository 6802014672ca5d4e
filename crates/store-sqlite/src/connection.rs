//! Opens the file: one connection that writes, several that read.

use std::path::Path;

use countersign_sqlite_file::{self as file, Ends};
use countersign_store::error::{StoreError, StoreResult};
use countersign_store::schema::{SchemaPolicy, Step, check};
use countersign_store_sql::migrations;
use refinery::{Migration, Runner};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::options::Options;

/// All migrations, forward only.
const MIGRATIONS: [(&str, &str); 29] = [
    ("V1__first_schema", include_str!("../migrations/V1__first_schema.sql")),
    ("V2__totp", include_str!("../migrations/V2__totp.sql")),
    ("V3__webhook_calls", include_str!("../migrations/V3__webhook_calls.sql")),
    ("V4__history_by_time", include_str!("../migrations/V4__history_by_time.sql")),
    ("V5__calls_taken", include_str!("../migrations/V5__calls_taken.sql")),
    ("V6__serves_from", include_str!("../migrations/V6__serves_from.sql")),
    ("V7__call_numbers", include_str!("../migrations/V7__call_numbers.sql")),
    ("V8__tenants", include_str!("../migrations/V8__tenants.sql")),
    ("V9__console", include_str!("../migrations/V9__console.sql")),
    ("V10__provider_tokens", include_str!("../migrations/V10__provider_tokens.sql")),
    ("V11__protections", include_str!("../migrations/V11__protections.sql")),
    ("V12__quiet_challenges", include_str!("../migrations/V12__quiet_challenges.sql")),
    ("V13__presence", include_str!("../migrations/V13__presence.sql")),
    ("V14__answer_contexts", include_str!("../migrations/V14__answer_contexts.sql")),
    ("V15__challenge_groups", include_str!("../migrations/V15__challenge_groups.sql")),
    ("V16__integrations", include_str!("../migrations/V16__integrations.sql")),
    ("V17__summaries", include_str!("../migrations/V17__summaries.sql")),
    ("V18__search", include_str!("../migrations/V18__search.sql")),
    ("V19__call_responses", include_str!("../migrations/V19__call_responses.sql")),
    ("V20__service_logos", include_str!("../migrations/V20__service_logos.sql")),
    ("V21__operators", include_str!("../migrations/V21__operators.sql")),
    ("V22__signed_answers", include_str!("../migrations/V22__signed_answers.sql")),
    ("V23__transparency_log", include_str!("../migrations/V23__transparency_log.sql")),
    ("V24__openid", include_str!("../migrations/V24__openid.sql")),
    ("V27__account_labels", include_str!("../migrations/V27__account_labels.sql")),
    ("V28__one_time_rights", include_str!("../migrations/V28__one_time_rights.sql")),
    ("V29__sealing_keys", include_str!("../migrations/V29__sealing_keys.sql")),
    ("V30__enrolment_codes", include_str!("../migrations/V30__enrolment_codes.sql")),
    ("V31__parked_by_challenge", include_str!("../migrations/V31__parked_by_challenge.sql")),
];

/// Read from a schema with unknown migrations.
const SERVES_FROM: &str = "SELECT serves_from FROM installation WHERE id = 1";

/// More than the number of statements, so that each is prepared once.
const STATEMENTS_KEPT: usize = 256;

/// Opens the connection that writes, to an existing file. The content of its log is on the disk then.
pub(crate) fn writer(path: &Path, options: &Options) -> StoreResult<Connection> {
    let db = plain(path, options).map_err(|error| cannot_open(path, &error))?;
    file::secure(&db, path).map_err(StoreError::Unavailable)?;
    match file::ends(&db).map_err(|error| cannot_open(path, &error))? {
        Ends::Empty => file::reserve(&db).map_err(|error| cannot_open(path, &error))?,
        Ends::Checksums | Ends::Content => {}
        Ends::Unknown => return Err(cannot_open(path, &"its header is damaged")),
    }
    let configure = || -> Result<(), rusqlite::Error> {
        // FULL: a commit is on the disk before it is acknowledged. Foreign keys are off, since rows outlive their parents
        // until the cleaner removes them.
        db.execute_batch(&format!(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = OFF;
             PRAGMA temp_store = MEMORY;
             PRAGMA journal_size_limit = {};
             PRAGMA cache_size = -{};
             PRAGMA mmap_size = {};",
            // More than the length at which the writer runs a checkpoint: otherwise each restart would truncate the file.
            u64::from(options.log_pages_most) * 8_192,
            u64::from(options.cache_mib) * 1_024,
            u64::from(options.mmap_mib) * 1_024 * 1_024,
        ))?;
        if let Some(pages) = options.max_pages {
            db.execute_batch(&format!("PRAGMA max_page_count = {pages}"))?;
        }
        Ok(())
    };
    configure().map_err(|error| cannot_open(path, &error))?;
    let mode: String = db
        .query_row("PRAGMA journal_mode", (), |row| row.get(0))
        .map_err(|error| cannot_open(path, &error))?;
    if mode != "wal" {
        return Err(cannot_open(path, &"its file system has no write-ahead log"));
    }
    // The names of both files. SQLite syncs them too, but goes on if that fails.
    sync_folder(path).map_err(|error| cannot_open(path, &error))?;
    Ok(db)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    std::fs::File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Creates an empty file that only its owner may read, unless it exists. SQLite gives the write-ahead log and the shared memory
/// beside it the same mode.
pub(crate) fn create(path: &Path) -> StoreResult<()> {
    let mut how = std::fs::OpenOptions::new();
    how.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
    match how.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(cannot_open(path, &error))
        }
        _ => Ok(()),
    }
}

/// Gives the pages of a file checksums that an earlier build made without. It is written anew once, which takes as much room again.
pub(crate) fn with_checksums(
    db: Connection,
    path: &Path,
    options: &Options,
) -> StoreResult<Connection> {
    if file::ends(&db).map_err(|error| cannot_open(path, &error))? != Ends::Content {
        return Ok(db);
    }
    tracing::info!(path = %path.display(), "giving each page of the database a checksum, once");
    drop(db);
    // Unlike a connection that serves, this one keeps what is temporary in files.
    let done = plain(path, options).and_then(|db| {
        file::reserve(&db)?;
        db.execute_batch("VACUUM")
    });
    if let Err(error) = done {
        tracing::warn!(%error, "the pages of the database get no checksums, so damage to them is not noticed");
    }
    writer(path, options)
}

/// Migrates the schema.
pub(crate) fn migrate(
    db: &mut Connection,
    path: &Path,
    schema_policy: SchemaPolicy,
) -> StoreResult<()> {
    let fail = |error: &dyn std::fmt::Display| cannot_open(path, error);
    let migrations = known_migrations().map_err(|error| fail(&error))?;
    let known: Vec<_> = migrations.iter().map(migrations::step).collect();
    let runner = Runner::new(&migrations);
    let applied = applied(db).map_err(|error| fail(&error))?;
    let serves_from = serves_from(db, &applied, &known).map_err(|error| fail(&error))?;
    let begin = check(schema_policy, &known, &applied, serves_from).map_err(|why| fail(&why))?;
    if begin < known.len() {
        runner.run(db).map_err(|error| fail(&error))?;
    }
    Ok(())
}

/// The migrations of this version.
pub(crate) fn known_migrations() -> Result<Vec<Migration>, refinery::Error> {
    migrations::known(&MIGRATIONS)
}

/// The oldest version that a newer schema serves.
pub(crate) fn serves_from(
    db: &Connection,
    applied: &[Step],
    known: &[Step],
) -> Result<Option<i64>, rusqlite::Error> {
    let is_newer = migrations::is_newer(applied, known);
    is_newer.then(|| db.query_row(SERVES_FROM, (), |row| row.get(0))).transpose()
}

/// The migrations that the file records; none if it is new.
pub(crate) fn applied(db: &Connection) -> Result<Vec<Step>, rusqlite::Error> {
    const IS_NEW: &str =
        "SELECT count(*) = 0 FROM sqlite_master WHERE name = 'refinery_schema_history'";
    const APPLIED: &str =
        "SELECT version, name, checksum FROM refinery_schema_history ORDER BY version";
    if db.query_row(IS_NEW, (), |row| row.get(0))? {
        return Ok(Vec::new());
    }
    let mut statement = db.prepare(APPLIED)?;
    let steps = statement.query_map((), |row| {
        Ok(Step { version: row.get(0)?, name: row.get(1)?, checksum: row.get(2)? })
    })?;
    steps.collect()
}

/// Configures a connection of any kind.
pub(crate) fn prepare(db: &Connection, options: &Options) -> Result<(), rusqlite::Error> {
    db.busy_timeout(options.busy_timeout)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // One plan for each statement, independent of its parameters: otherwise SQLite plans many statements again whenever a
    // parameter changes, which takes ten times as long as running them.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Opens a connection whose pages are checked.
pub(crate) fn open(path: &Path, how: OpenFlags) -> Result<Connection, rusqlite::Error> {
    if !file::install() {
        return Err(rusqlite::Error::InvalidQuery);
    }
    Connection::open_with_flags(path, how | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// Opens a connection to an existing file.
pub(crate) fn plain(path: &Path, options: &Options) -> Result<Connection, rusqlite::Error> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare(&db, options)?;
    Ok(db)
}

pub(crate) fn reader(path: &Path, options: &Options) -> Result<Connection, rusqlite::Error> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    prepare(&db, options)?;
    // Every commit empties the page caches of the readers, so they read through a memory map of the file instead.
    db.execute_batch(&format!(
        "PRAGMA query_only = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA mmap_size = {};",
        u64::from(options.mmap_mib) * 1_024 * 1_024,
    ))?;
    Ok(db)
}

pub(crate) fn cannot_open(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("cannot open {}: {error}", path.display()))
}
