//! `countersign operators` on the command line.

use clap::{Args, Subcommand};
use countersign_domain::operator::OperatorName;
use countersign_domain::role::Role;
use countersign_domain::session::SessionId;
use countersign_domain::sid::AccountSid;

use super::listings::Listing;

/// `operators`
#[derive(Debug, Subcommand)]
pub enum Operators {
    /// List the operators
    List {
        /// Only of this account (AC…)
        #[arg(long, value_name = "SID")]
        account: Option<AccountSid>,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// Create an operator, and print a link that signs them in once
    #[command(after_help = "Example:\n  countersign operators add ada@example.com --role admin")]
    Add(NewOperator),
    /// Give an operator another role, from the next request on
    Role {
        /// The operator's name
        #[arg(value_parser = name)]
        name: OperatorName,
        /// read, operate or admin
        #[arg(value_parser = role)]
        role: Role,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// Give an operator a new password, which is drawn and printed; ends the operator's sessions
    Password {
        /// The operator's name
        #[arg(value_parser = name)]
        name: OperatorName,
        /// Read the password from standard input instead: 12 to 256 bytes in one line
        #[arg(long)]
        stdin: bool,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// Print a link that signs an operator in once, within 15 minutes; the one before stops working
    Link {
        /// The operator's name
        #[arg(value_parser = name)]
        name: OperatorName,
        /// Forget the operator's devices first: this sign-in enrols another one, as after a lost phone
        #[arg(long)]
        new_device: bool,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// List who is signed in to the console
    Sessions {
        /// Only of this operator
        #[arg(value_parser = name)]
        name: Option<OperatorName>,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// End all sessions of an operator, or one session
    Revoke {
        /// The operator's name
        #[arg(value_parser = name, required_unless_present = "session", conflicts_with = "session")]
        name: Option<OperatorName>,
        /// The id of a session, as `sessions` lists it
        #[arg(long, value_name = "ID", value_parser = session)]
        session: Option<SessionId>,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// Remove an operator with all sessions and devices
    Remove {
        /// The operator's name
        #[arg(value_parser = name)]
        name: OperatorName,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
}

/// `operators add`
#[derive(Debug, Args)]
pub struct NewOperator {
    /// The name that the operator signs in with: letters, digits and . _ - @ +
    #[arg(value_parser = name)]
    pub name: OperatorName,
    /// read, operate or admin
    #[arg(long, default_value = "read", value_parser = role)]
    pub role: Role,
    /// The account whose console it is (AC…) [default: the only one]
    #[arg(long, value_name = "SID")]
    pub account: Option<AccountSid>,
    /// How it is printed.
    #[command(flatten)]
    pub listing: Listing,
}

fn name(text: &str) -> Result<OperatorName, String> {
    OperatorName::parse(text).map_err(|why| format!("a name {why}"))
}

fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|why| format!("a role {why}"))
}

fn session(text: &str) -> Result<SessionId, String> {
    SessionId::parse(text).ok_or_else(|| "an id has 32 hexadecimal digits".to_owned())
}
