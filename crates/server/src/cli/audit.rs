//! `countersign audit` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_tlog::VerifierKey;

use super::listings::Listing;

/// `audit`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Print the key of the log, by which others check it; works beside a running server
    Key,
    /// List entries of the log with what they commit to; works beside a running server
    #[command(
        after_help = "Examples:\n  countersign audit list\n  countersign audit list --about YC03aaaa…"
    )]
    List(ListEntries),
    /// Write the files of the log into a folder, as a server serves them; works beside a running server
    #[command(after_help = "Example:\n  countersign audit export log-copy")]
    Export {
        /// The folder; created if it is missing. Files of an earlier export are kept, and checked to be the beginning of the log
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Print the proof that an entry is in the log, or write it into files; works beside a running server
    #[command(
        after_help = "Example:\n  countersign audit prove 17 --out answer\n  countersign audit check entry answer.tlog-proof --entry answer.json --key \"$(countersign audit key)\""
    )]
    Prove {
        /// The index of the entry
        index: u64,
        /// Write OUT.tlog-proof, OUT.json (the entry) and OUT.opening.json (what it commits to) instead
        #[arg(long, value_name = "OUT")]
        out: Option<PathBuf>,
    },
    /// Check files without a server
    #[command(subcommand)]
    Check(Checks),
}

/// `audit check`
#[derive(Debug, Subcommand)]
pub enum Checks {
    /// Check the proof of an entry
    Entry(VerifyEntry),
    /// Check a copy of the log, and that it continues an older checkpoint
    #[command(
        after_help = "Examples:\n  countersign audit check copy log-copy --key …\n  countersign audit check copy log-copy --key … --since old-checkpoint"
    )]
    Copy(CheckConsistency),
}

/// `audit list`
#[derive(Debug, Args)]
pub struct ListEntries {
    /// The first index
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub from: u64,
    /// The most entries
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub most: u16,
    /// Only those about a resource, given by its SID
    #[arg(long, value_name = "SID", value_parser = sid_bytes)]
    pub about: Option<[u8; 16]>,
    /// How they are printed.
    #[command(flatten)]
    pub listing: Listing,
}

/// `audit check entry`
#[derive(Debug, Args)]
pub struct VerifyEntry {
    /// The file with the proof
    #[arg(value_name = "FILE")]
    pub proof: PathBuf,
    /// The file with the entry
    #[arg(long, value_name = "FILE")]
    pub entry: PathBuf,
    /// The file with what the entry commits to, and the salt
    #[arg(long, value_name = "FILE")]
    pub opening: Option<PathBuf>,
    /// The key of the log
    #[arg(long, value_name = "KEY")]
    pub key: VerifierKey,
    /// The key of a witness that must have cosigned; may be repeated
    #[arg(long, value_name = "KEY")]
    pub witness: Vec<VerifierKey>,
}

/// `audit check copy`
#[derive(Debug, Args)]
pub struct CheckConsistency {
    /// The folder that `audit export` wrote
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The key of the log
    #[arg(long, value_name = "KEY")]
    pub key: VerifierKey,
    /// An older checkpoint, which the log must continue
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// The key of a witness that must have cosigned the checkpoint; may be repeated
    #[arg(long, value_name = "KEY")]
    pub witness: Vec<VerifierKey>,
}

/// The bytes of a SID of any kind.
fn sid_bytes(text: &str) -> Result<[u8; 16], String> {
    let digits = text.get(2..).filter(|digits| digits.len() == 32);
    let bytes = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
    bytes
        .map(u128::to_be_bytes)
        .ok_or_else(|| "expected a SID: two letters and 32 hexadecimal digits".to_owned())
}
