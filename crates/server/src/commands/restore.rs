//! `countersign restore`: puts a backup in the place of the SQLite database.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};

use super::copies::{self, KeyMatch, Partial, with_end};
use crate::cli::Restore;
use crate::config::Config;
use crate::{folder, secret_file};

pub(super) fn run(config: &Config, flags: &Restore) -> anyhow::Result<ExitCode> {
    if let Some(code) = copies::for_postgres(config) {
        return Ok(code);
    }
    let file = &flags.file;
    ensure!(file.is_file(), "there is no file {}", file.display());
    folder::make(&config.data_dir)?;
    let _lock = folder::lock(&config.data_dir).context("stop the server first")?;
    let database = config.database_file();
    refuse_replacing(&database, flags.replace)?;

    // Checked where it will be used, so that what is checked is what is used.
    let partial = Partial::create(with_end(&database, ".restoring"))?;
    let report = partial.fill(file)?;
    let key = copies::match_key(config, &report)?;
    let replaced = set_aside(&database)?;
    partial.persist(&database, false)?;

    println!(
        "{} is restored from {}: {}.",
        database.display(),
        file.display(),
        copies::schema(&report)
    );
    if let Some(replaced) = replaced {
        eprintln!(
            "The former database is {}; delete it when you no longer need it.",
            replaced.display()
        );
    }
    if let KeyMatch::Absent(place) = key {
        eprintln!(
            "Put the master key of the backup's server into {place} before you start the server."
        );
    }
    eprintln!(
        "Factors, API keys and tokens that were deleted or changed since the backup are back: see docs/run/backup.md."
    );
    Ok(ExitCode::SUCCESS)
}

/// The name that a replaced database gets.
fn aside(database: &Path) -> PathBuf {
    with_end(database, ".replaced")
}

fn refuse_replacing(database: &Path, may_replace: bool) -> anyhow::Result<()> {
    let is_there = database.symlink_metadata().is_ok_and(|found| found.len() > 0);
    ensure!(
        !is_there || may_replace,
        "{} exists: to replace it, add --replace, which keeps it beside as {}",
        database.display(),
        aside(database).display()
    );
    ensure!(
        !is_there || !aside(database).exists(),
        "{} exists, the database that an earlier restore has replaced: move it elsewhere or delete it first",
        aside(database).display()
    );
    Ok(())
}

/// Renames the database and its write-ahead log, which belong together. Interrupted, the next restore continues: a server does not
/// start on a log without its database.
fn set_aside(database: &Path) -> anyhow::Result<Option<PathBuf>> {
    let aside = aside(database);
    let is_there = database.exists();
    for end in ["", "-wal"] {
        let (from, to) = (with_end(database, end), with_end(&aside, end));
        if from.exists() {
            secret_file::rename(&from, &to)?;
        }
    }
    let index = with_end(database, "-shm");
    if index.exists() {
        std::fs::remove_file(&index)
            .with_context(|| format!("cannot remove {}", index.display()))?;
    }
    Ok(is_there.then_some(aside))
}
