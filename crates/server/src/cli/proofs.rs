//! `countersign proof` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_domain::key::DeviceKey;
use countersign_domain::sid::ChallengeSid;

use super::listings::Listing;

/// `proof`
#[derive(Debug, Subcommand)]
pub enum ProofCommand {
    /// Print the proof of the answer to a challenge as JSON; works beside a running server
    #[command(after_help = "Example:\n  countersign proof show YC03aaaa… > proof.json")]
    Show {
        /// The challenge's SID (YC…)
        challenge: ChallengeSid,
    },
    /// Check a proof without a server: that the device signed the answer, and what it signed
    #[command(after_help = "Example:\n  countersign proof verify proof.json")]
    Verify(VerifyProof),
}

/// `proof verify`
#[derive(Debug, Args)]
pub struct VerifyProof {
    /// The file with the proof; - reads standard input
    pub file: PathBuf,
    /// The key that the device had at its enrolment, in base64; another one is an error
    #[arg(long, value_name = "KEY", value_parser = |text: &str| DeviceKey::read(text))]
    pub key: Option<DeviceKey>,
    /// How it is printed: with --json what the device signed, on one line.
    #[command(flatten)]
    pub listing: Listing,
}
