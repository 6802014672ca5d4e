//! `countersign accounts` on the command line.

use clap::Subcommand;

use super::listings::Listing;

/// `accounts`
#[derive(Debug, Subcommand)]
pub enum Accounts {
    /// Create an account; prints its SID and its auth token, which is shown only once
    Create {
        /// A name for it
        #[arg(long, default_value = "account")]
        name: String,
    },
    /// List all accounts
    List(Listing),
    /// Create a secondary auth token for an account; it works beside the primary one
    Rotate {
        /// The account's SID (AC…)
        account: String,
        /// Replace an existing secondary token, which stops working at once
        #[arg(long)]
        replace: bool,
        /// Create a new primary token instead, and end all others at once, as after a leak
        #[arg(long, conflicts_with = "replace")]
        evict: bool,
    },
    /// Suspend an account: its tokens, API keys, devices and access tokens are refused until it is resumed
    #[command(visible_alias = "disable")]
    Suspend {
        /// The account's SID (AC…)
        account: String,
    },
    /// End the suspension of an account
    #[command(visible_alias = "enable")]
    Resume {
        /// The account's SID (AC…)
        account: String,
    },
    /// Swap an account's tokens: the secondary one becomes the primary one, which signs webhooks
    Promote {
        /// The account's SID (AC…)
        account: String,
    },
    /// Create an API key; prints its SID and its secret, which is shown only once
    CreateKey {
        /// The account's SID (AC…)
        account: String,
        /// A name for it
        #[arg(long, default_value = "key")]
        name: String,
    },
    /// List an account's API keys
    ListKeys {
        /// The account's SID (AC…)
        account: String,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// Revoke an API key
    RevokeKey {
        /// The key's SID (SK…)
        key: String,
    },
}
