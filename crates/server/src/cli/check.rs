//! `countersign check` and `countersign doctor` on the command line.

use std::path::PathBuf;

use clap::Args;

/// `check`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 nothing is wrong, 1 something is, 2 usage.\n\nExamples:\n  countersign check\n  countersign \
                  check /srv/backup/countersign-2026-01-31.db"
)]
pub struct Check {
    /// A backup to check instead; with the master key, if there is one here
    #[arg(value_name = "FILE")]
    pub backup: Option<PathBuf>,
    /// How the results are printed.
    #[command(flatten)]
    pub results: Results,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// How the results are printed.
    #[command(flatten)]
    pub results: Results,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, Args)]
pub struct Results {
    /// Print each result as a line of JSON: result (ok, note, wrong), what, detail
    #[arg(long)]
    pub json: bool,
}
