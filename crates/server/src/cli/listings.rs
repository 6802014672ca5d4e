//! `countersign factors`, `challenges`, `events` and `pauses` on the command line: what support looks at.

use clap::{Args, Subcommand};
use countersign_domain::challenge::ChallengeStatus;
use countersign_domain::sid::{AccountSid, ChallengeSid, ServiceSid};
use countersign_domain::text::Identity;

/// How a listing is printed.
#[derive(Debug, Clone, Copy, Args)]
pub struct Listing {
    /// Print each item as a line of JSON; docs/run/commands.md lists the members
    #[arg(long)]
    pub json: bool,
}

/// `factors`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign factors ff483d1ff591")]
pub struct ListFactors {
    /// The application's name for the person
    #[arg(value_parser = identity)]
    pub identity: Identity,
    /// Only in this account (AC…)
    #[arg(long, value_name = "SID")]
    pub account: Option<AccountSid>,
    /// Only in this service (VA…)
    #[arg(long, value_name = "SID")]
    pub service: Option<ServiceSid>,
    /// How it is printed.
    #[command(flatten)]
    pub listing: Listing,
}

/// `pauses`
#[derive(Debug, Subcommand)]
pub enum Pauses {
    /// List the people who get no new challenges for now
    #[command(after_help = "Example:\n  countersign pauses list --service VA0123… --json")]
    List {
        /// Only in this account (AC…)
        #[arg(long, value_name = "SID")]
        account: Option<AccountSid>,
        /// Only in this service (VA…)
        #[arg(long, value_name = "SID")]
        service: Option<ServiceSid>,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// Show whether a person is paused, in every service that knows them
    #[command(after_help = "Example:\n  countersign pauses show ff483d1ff591")]
    Show(ListFactors),
    /// End the pauses of a person, whatever their reason, and begin to count challenges again
    #[command(after_help = "Example:\n  countersign pauses end ff483d1ff591 --service VA0123…")]
    End(ListFactors),
}

/// The challenges that are looked at.
#[derive(Debug, Clone, Args)]
pub struct Scope {
    /// Only of this account (AC…)
    #[arg(long, value_name = "SID")]
    pub account: Option<AccountSid>,
    /// Only of this service (VA…)
    #[arg(long, value_name = "SID")]
    pub service: Option<ServiceSid>,
    /// Only of this person
    #[arg(long, value_parser = identity)]
    pub identity: Option<Identity>,
    /// How many at most
    #[arg(long, value_name = "NUMBER", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub limit: u16,
}

/// `challenges`
#[derive(Debug, Args)]
#[command(
    after_help = "The newest comes first. The texts of challenges are shown only with --messages.\n\nExamples:\n  countersign \
                  challenges --identity ff483d1ff591\n  countersign challenges --service VA0123… --status pending --json"
)]
pub struct ListChallenges {
    /// The challenges to show.
    #[command(flatten)]
    pub scope: Scope,
    /// Only those with this status: pending, approved, denied, expired
    #[arg(long, value_name = "STATUS")]
    pub status: Option<ChallengeStatus>,
    /// Only older ones than this (YC…): the last one of the page before
    #[arg(long, value_name = "SID")]
    pub before: Option<ChallengeSid>,
    /// Show also the text that the person reads
    #[arg(long)]
    pub messages: bool,
    /// How it is printed.
    #[command(flatten)]
    pub listing: Listing,
}

/// `events`
#[derive(Debug, Args)]
#[command(
    after_help = "The events of challenges are created, approved, denied and expired; the newest comes last.\n\nExample:\n  \
                  countersign events --follow --identity ff483d1ff591"
)]
pub struct Events {
    /// The challenges to show.
    #[command(flatten)]
    pub scope: Scope,
    /// Go on printing events as they happen, until interrupted
    #[arg(long)]
    pub follow: bool,
    /// How it is printed.
    #[command(flatten)]
    pub listing: Listing,
}

fn identity(text: &str) -> Result<Identity, String> {
    Identity::parse(text).map_err(|why| format!("an identity {why}"))
}
