//! `countersign backup`: a copy of the SQLite database, also while a server uses it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};

use super::copies::{self, Partial};
use crate::cli::{Backup, Common};
use crate::config::Config;
use crate::database::Database;
use crate::master_key;

pub(super) fn run(config: &Config, common: &Common, flags: &Backup) -> anyhow::Result<ExitCode> {
    if let Some(code) = copies::for_postgres(config) {
        return Ok(code);
    }
    Database::require_file(config)?;
    let file = target(config, flags)?;
    let partial = Partial::create(copies::with_end(&file, ".partial"))?;
    partial.fill(&config.database_file())?;
    partial.persist(&file, flags.replace)?;
    let bytes = std::fs::metadata(&file).map_or(0, |found| found.len());
    println!("{} holds the whole database ({bytes} bytes), and is intact.", file.display());
    eprintln!("{}", other_files(config, common));
    Ok(ExitCode::SUCCESS)
}

/// The file to write, which may not be where it could be taken for the server's own.
fn target(config: &Config, flags: &Backup) -> anyhow::Result<PathBuf> {
    let file = &flags.file;
    let shown = file.display();
    ensure!(!file.is_dir(), "{shown} is a folder: name a file in it");
    ensure!(
        flags.replace || file.symlink_metadata().is_err(),
        "{shown} exists: choose another name, or replace it with --replace"
    );
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = file.file_name().with_context(|| format!("{shown} names no file"))?;
    let folder =
        folder.canonicalize().with_context(|| format!("there is no folder for {shown}"))?;
    let data = config.data_dir.canonicalize().context("the data folder cannot be read")?;
    ensure!(
        !folder.starts_with(&data),
        "{shown} is in the data folder, and a backup there is lost with it: choose another folder"
    );
    Ok(folder.join(name))
}

/// The files that a restore also needs and that the backup does not hold.
fn other_files(config: &Config, common: &Common) -> String {
    let key = master_key::place(config, |name| std::env::var(name).ok());
    let settings = common.config.as_ref().map_or_else(
        || "the settings (a file, variables or flags of the server)".to_owned(),
        |file| format!("the settings, {}", file.display()),
    );
    format!(
        "Keep also, apart from the backup: the master key ({key}), without which it is useless; {settings}; and certificates."
    )
}
