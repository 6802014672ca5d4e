//! Files that are copies of the SQLite database, or may take its place: for `backup`, `restore` and `check`.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use countersign_store_sqlite::{FileReport, copy_file, inspect_file};
use tempfile::TempPath;

use crate::config::Config;
use crate::{master_key, secret_file};

/// The exit status of `backup` and `restore` with PostgreSQL.
const OTHER_TOOLS: u8 = 3;

/// The progress is printed after each further tenth.
const TELLS: u64 = 10;

/// Tells that PostgreSQL has tools of its own, if it is the database.
pub(super) fn for_postgres(config: &Config) -> Option<ExitCode> {
    config.database.url.as_ref()?;
    eprintln!(
        "countersign: the database is PostgreSQL ({}), which has its own tools: `pg_dump -Fc countersign > FILE` and \
         `pg_restore`, or `pg_basebackup` with WAL archiving to restore to any moment. See docs/run/backup.md",
        config.database_origin()
    );
    Some(ExitCode::from(OTHER_TOOLS))
}

/// A path with something after its last letter.
pub(super) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(end);
    path.into()
}

/// A copy that has no final name yet. Dropping it removes it.
pub(super) struct Partial {
    path: TempPath,
    /// Locked: two commands never write one file.
    file: File,
}

impl Partial {
    /// Creates an empty file of mode 0600, in the place of one that an interruption has left.
    pub(super) fn create(path: PathBuf) -> anyhow::Result<Self> {
        let shown = path.display();
        let create = || {
            // Truncated only once it is locked.
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)
        };
        let file = create().with_context(|| format!("cannot write {shown}"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another command is writing {shown}"),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {shown}"))?;
            }
        }
        let named = std::fs::metadata(&path).map(|found| found.ino());
        let is_ours =
            named.is_ok_and(|named| file.metadata().is_ok_and(|ours| ours.ino() == named));
        ensure!(is_ours, "another command has just written {shown}");
        let empty = || {
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.set_len(0)
        };
        empty().with_context(|| format!("cannot write {shown}"))?;
        for end in ["-wal", "-shm", "-journal"] {
            // There is none unless a command was interrupted.
            let _ = std::fs::remove_file(with_end(&path, end));
        }
        let path = TempPath::try_from_path(path).context("cannot name the copy")?;
        Ok(Self { path, file })
    }

    /// Copies a database into it, syncs it, and checks what was written.
    pub(super) fn fill(&self, source: &Path) -> anyhow::Result<FileReport> {
        let (from, to) = (source.display(), self.path.display());
        let mut told = 0;
        let copied = copy_file(source, &self.path, |pages, all| {
            let tenth = (pages * TELLS).checked_div(all).unwrap_or(TELLS);
            if tenth > told {
                told = tenth;
                eprintln!("copied {pages} of {all} pages ({} %)", tenth * 100 / TELLS);
            }
        });
        copied.with_context(|| format!("cannot copy {from} to {to}"))?;
        self.file.sync_all().with_context(|| format!("cannot sync {to}"))?;
        eprintln!("checking every page, row and index");
        inspect(&self.path)
    }

    /// Gives it its final name. `replaces` allows that there is a file of this name.
    pub(super) fn persist(self, name: &Path, replaces: bool) -> anyhow::Result<()> {
        let shown = name.display();
        let persisted =
            if replaces { self.path.persist(name) } else { self.path.persist_noclobber(name) };
        let synced =
            persisted.map_err(|error| error.error).and_then(|()| secret_file::sync_folder(name));
        synced.with_context(|| format!("cannot name the copy {shown}"))
    }
}

/// Checks a file that may become the database.
///
/// # Errors
/// It cannot be read, is damaged, is no database of this server, or was made by a newer version.
pub(super) fn inspect(file: &Path) -> anyhow::Result<FileReport> {
    let shown = file.display();
    ensure!(file.is_file(), "there is no file {shown}");
    let report = inspect_file(file).with_context(|| format!("{shown} cannot be used"))?;
    ensure!(report.faults.is_empty(), "{shown} is damaged: {}", report.faults.join("; "));
    ensure!(
        report.key_check.is_some(),
        "{shown} is the database of a server that never started completely: it holds nothing"
    );
    Ok(report)
}

/// The schema of a checked file, in words.
pub(super) fn schema(report: &FileReport) -> String {
    match report.missing_migrations {
        0 => "this version can serve it".to_owned(),
        count => format!("it is older: the server applies {count} more migrations when it starts"),
    }
}

/// Whether the master key belongs to a checked file.
pub(super) enum KeyMatch {
    /// It does.
    Right,
    /// There is no key where it is looked for.
    Absent(String),
}

/// Compares the master key with a checked file.
///
/// # Errors
/// The key cannot be read, or belongs to another database.
pub(super) fn match_key(config: &Config, report: &FileReport) -> anyhow::Result<KeyMatch> {
    let variable = |name: &str| std::env::var(name).ok();
    let place = master_key::place(config, variable);
    let Some(key) = master_key::find_if_any(config, variable)? else {
        return Ok(KeyMatch::Absent(place));
    };
    let is_right = report.key_check.as_deref() == Some(&key.check_value()[..])
        || report.key_holders.iter().any(|holder| holder[..] == key.holder().0);
    ensure!(
        is_right,
        "the master key ({place}) does not belong to this backup: use the one of the backup's server"
    );
    Ok(KeyMatch::Right)
}
