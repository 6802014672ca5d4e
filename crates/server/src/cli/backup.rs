//! `countersign backup` and `countersign restore` on the command line.

use std::path::PathBuf;

use clap::Args;

/// `backup`
#[derive(Debug, Args)]
#[command(
    after_help = "The copy holds one moment: everything that was answered before the command started. It is written beside FILE \
                  as FILE.partial, synced, checked, and renamed; an interrupted backup leaves no FILE.\n\nExit status: 0 the \
                  backup is there, 1 it is not, 2 usage, 3 the database is PostgreSQL, which has its own tools. See \
                  docs/run/backup.md.\n\nExample:\n  countersign backup /srv/backup/countersign-$(date +%F).db"
)]
pub struct Backup {
    /// The file to write, outside of the data folder
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    pub replace: bool,
}

/// `restore`
#[derive(Debug, Args)]
#[command(
    after_help = "The file is copied into the data folder, checked there, and renamed. The master key must be the one of the \
                  backup.\n\nExit status: 0 the backup is restored, 1 it is not, 2 usage, 3 the database is PostgreSQL, which \
                  has its own tools. See docs/run/backup.md.\n\nExample:\n  countersign restore \
                  /srv/backup/countersign-2026-01-31.db"
)]
pub struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Replace an existing database, which stays in the data folder as countersign.db.replaced
    #[arg(long)]
    pub replace: bool,
}
