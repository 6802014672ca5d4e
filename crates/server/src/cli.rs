//! The command line and its help.

mod accounts;
mod audit;
mod backup;
mod check;
mod config;
mod integrations;
mod keys;
mod listings;
mod operators;
mod proofs;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::accounts::Accounts;
pub use self::audit::{AuditCommand, CheckConsistency, Checks, ListEntries, VerifyEntry};
pub use self::backup::{Backup, Restore};
pub use self::check::{Check, Doctor, Results};
pub use self::config::ConfigCommand;
pub use self::integrations::{
    Integrations, Settings as IntegrationFlags, Which as WhichIntegration,
};
pub use self::keys::{EndRotation, KeysCommand};
pub use self::listings::{Events, ListChallenges, ListFactors, Listing, Pauses, Scope};
pub use self::operators::{NewOperator, Operators};
pub use self::proofs::{ProofCommand, VerifyProof};
use crate::version::VERSION;

/// Self-hosted push verification: an application asks, and a person's device answers with a signature.
#[derive(Debug, Parser)]
#[command(name = "countersign", version = VERSION, max_term_width = 100)]
#[command(
    after_help = "Start here:\n  countersign demo     everything in a minute, nothing to set up\n  countersign serve    the server; creates its data folder and a first account\n\nEvery setting can be given in a TOML file, in the environment (COUNTERSIGN_LIMITS__X for limits.x) or after --set."
)]
pub struct Cli {
    /// Settings of all commands.
    #[command(flatten)]
    pub common: Common,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Settings that every command takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// A TOML file with settings
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    pub config: Option<PathBuf>,
    /// The folder of the database and the master key [default: countersign-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Any setting; may be repeated
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE")]
    pub settings: Vec<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(Serve),
    /// Show everything on this machine: a server, a virtual phone, a challenge, a signed answer
    Demo(Demo),
    /// A virtual phone in the terminal that speaks the protocol of the mobile SDKs
    #[command(subcommand)]
    Phone(Phone),
    /// Run stand-ins for Apple, Google, a browser's push service and an application's webhook, for trials
    StandIns(StandIns),
    /// Create and list accounts, change their tokens, create and revoke API keys
    #[command(subcommand)]
    Accounts(Accounts),
    /// Create, list and change integrations: ssh servers, gateways and portals that ask for approvals
    #[command(subcommand)]
    Integrations(Integrations),
    /// Manage the people who use the console: their roles, passwords, links and sessions
    #[command(subcommand)]
    Operators(Operators),
    /// List the webhooks with failed calls
    Webhooks(Listing),
    /// List a person's devices and TOTP factors, without keys and secrets
    Factors(ListFactors),
    /// List the people who get no new challenges for now, and end a person's pause
    #[command(subcommand)]
    Pauses(Pauses),
    /// List the newest challenges: of a person, a service or all
    Challenges(ListChallenges),
    /// List what happened to challenges, or follow it as it happens
    Events(Events),
    /// Print the proof of an answer, or check one without a server
    #[command(subcommand)]
    Proof(ProofCommand),
    /// List, export and prove entries of the transparency log, or check proofs and copies without a server
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Change the master key while servers run, and list what lies under which sealing key
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Create a link that enrols a person's browser as a device, as text and as a QR code; works beside a running
    /// server
    EnrolLink(EnrolLink),
    /// Test a push credential and explain the push service's response; works beside a running server
    PushTest(PushTest),
    /// Copy everything from one database into another, empty one; no server may use either
    MigrateData(MigrateData),
    /// Write a copy of the SQLite database into a file, also while the server runs, and check the copy
    Backup(Backup),
    /// Put a backup in the place of the SQLite database; no server may use the data folder
    Restore(Restore),
    /// Check the settings, the data folder, the database, its schema and the master key, or a backup; only reads
    Check(Check),
    /// Check what `check` does, and try everything else that the server needs
    Doctor(Doctor),
    /// Ask the server of these settings whether it is ready; the health check of a container
    Ready,
    /// Ask the server of these settings what needs attention; needs `admin.listen`, and exits with 1 if something does
    Status(Listing),
    /// Have the running server read its settings, certificates and secret files again, as SIGHUP does
    Reload,
    /// Print an annotated settings file, or the settings in use
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the OpenAPI document of the API
    Openapi,
    /// Print a script that completes commands and flags in a shell
    #[command(
        after_help = "Example, for bash:\n  countersign completions bash > /etc/bash_completion.d/countersign"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write a man page for every command into a folder
    #[command(after_help = "Example:\n  countersign man /usr/local/share/man/man1")]
    Man {
        /// The folder; created if it is missing
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// `serve`
#[derive(Debug, Clone, Default, Args)]
pub struct Serve {
    /// The address to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// The URL by which callers reach this server; page URLs begin with it [default: from --listen]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Allow plain http on an address that other machines reach, such as behind a proxy that ends TLS
    #[arg(long)]
    pub insecure_http: bool,
    /// A private network that may be called, also over plain http; may be repeated
    #[arg(long, value_name = "CIDR")]
    pub allow_outgoing: Vec<String>,
    /// Create a new database although there is a master key of an old one, which is given up
    #[arg(long)]
    pub new_database: bool,
    /// For automated tests: a clock to move at /_test/clock, bad manners at /_test/manners. Only on loopback, with a new database or
    /// one of an earlier test
    #[arg(long)]
    pub test_mode: bool,
}

/// `migrate-data`
#[derive(Debug, Args)]
#[command(
    after_help = "A side is sqlite:FOLDER, the data folder of a server; postgres://user@host/database; or postgres: for the \
                  database of database.url, which keeps the password out of the process list. The target must be \
                  empty. The master key is the source's, found as servers find it, or in a folder of the move; secrets are \
                  copied sealed.\n\nThe same command resumes an interrupted move, and no server starts on the \
                  target before everything is copied and compared. See docs/run/upgrade.md.\n\nExample:\n  countersign migrate-data \
                  --from sqlite:countersign-data --to postgres:"
)]
pub struct MigrateData {
    /// The source; nothing is changed there
    #[arg(long, value_name = "SIDE")]
    pub from: String,
    /// The target, which must be empty
    #[arg(long, value_name = "SIDE")]
    pub to: String,
}

/// `stand-ins`
#[derive(Debug, Clone, Default, Args)]
pub struct StandIns {
    /// The folder for the certificate, the keys and a configuration of the server
    #[arg(long, value_name = "DIR", default_value = "countersign-stand-ins")]
    pub folder: PathBuf,
    /// Misbehave: refuse, delay and drop a share of the pushes, the same ones for the same number
    #[arg(long, value_name = "SEED")]
    pub faults: Option<u64>,
}

/// `demo`
#[derive(Debug, Clone, Default, Args)]
pub struct Demo {
    /// Exit after the demonstration: with 0 if every step succeeded
    #[arg(long)]
    pub once: bool,
    /// The address to listen on [default: a free port of this machine]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Open the console after the demonstration, signed in, and the browser authenticator with an enrolment link
    #[arg(long, conflicts_with = "once")]
    pub open: bool,
}

/// `phone`
#[derive(Debug, Subcommand)]
pub enum Phone {
    /// Create a key, enrol it as a factor, verify it and keep it in a file
    Enrol(Enrol),
    /// Hold the device stream and show challenges as they arrive; answer by key press
    Listen(Listen),
    /// Show the challenges of this phone
    Challenges(Challenges),
    /// Approve a challenge
    Approve(Approval),
    /// Deny a challenge
    Deny(Denial),
    /// Delete the factor at the server, and the file
    Remove(KeyFile),
}

/// The file of a phone's key.
#[derive(Debug, Clone, Args)]
pub struct KeyFile {
    /// The file that holds the phone's key
    #[arg(long, value_name = "FILE", default_value = "phone.json")]
    pub file: PathBuf,
    /// A certificate authority to trust besides the system's, in PEM
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Allow plain http to other machines
    #[arg(long)]
    pub insecure_http: bool,
}

/// `phone enrol`
#[derive(Debug, Args)]
pub struct Enrol {
    /// The file of the phone's key.
    #[command(flatten)]
    pub key: KeyFile,
    /// The server, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    pub server: String,
    /// The service's SID (VA…)
    #[arg(long, value_name = "SID")]
    pub service: String,
    /// The application's name for the person, 8 to 64 letters, digits and dashes
    #[arg(long)]
    pub identity: String,
    /// The name of this phone
    #[arg(long, default_value = "Virtual phone")]
    pub name: String,
    /// stream: the server pushes over a WebSocket; none: the phone polls
    #[arg(long, value_parser = ["stream", "none"], default_value = "stream")]
    pub platform: String,
    /// An access token, as an application gives it to its app; - reads it from standard input
    #[arg(
        long,
        value_name = "TOKEN",
        conflicts_with = "account",
        required_unless_present = "account"
    )]
    pub access_token: Option<String>,
    /// Instead of an access token: the account's SID (AC…) or an API key's (SK…)
    #[arg(long, value_name = "SID", requires = "auth_token")]
    pub account: Option<String>,
    /// The account's auth token, or the key's secret; - reads it from standard input
    #[arg(
        long,
        value_name = "TOKEN",
        env = "COUNTERSIGN_PHONE_AUTH_TOKEN",
        hide_env_values = true
    )]
    pub auth_token: Option<String>,
}

/// `phone listen`
#[derive(Debug, Args)]
pub struct Listen {
    /// The file of the phone's key.
    #[command(flatten)]
    pub key: KeyFile,
    /// Approve every challenge
    #[arg(long, conflicts_with = "deny_all")]
    pub approve_all: bool,
    /// Deny every challenge
    #[arg(long)]
    pub deny_all: bool,
    /// The user verification that an approval claims.
    #[command(flatten)]
    pub verification: Verification,
}

/// Whether the person is verified.
#[derive(Debug, Clone, Copy, Args)]
pub struct Verification {
    /// Say with an approval that this device has verified the person, for a service that asks for it
    #[arg(long)]
    pub verify_user: bool,
}

/// `phone challenges`
#[derive(Debug, Args)]
pub struct Challenges {
    /// The file of the phone's key.
    #[command(flatten)]
    pub key: KeyFile,
    /// Show all challenges, not only pending ones
    #[arg(long)]
    pub all: bool,
}

/// `phone approve`
#[derive(Debug, Args)]
pub struct Approval {
    /// The challenge, and the phone.
    #[command(flatten)]
    pub reply: Reply,
    /// The number that the page shows, if the challenge asks for one; asked for on a terminal
    #[arg(long, value_name = "NUMBER")]
    pub answer: Option<String>,
    /// The user verification that it claims.
    #[command(flatten)]
    pub verification: Verification,
}

/// The challenge to answer.
#[derive(Debug, Args)]
pub struct Reply {
    /// The challenge's SID (YC…)
    pub challenge: String,
    /// The file of the phone's key.
    #[command(flatten)]
    pub key: KeyFile,
}

/// `phone deny`
#[derive(Debug, Args)]
pub struct Denial {
    /// The challenge, and the phone.
    #[command(flatten)]
    pub reply: Reply,
    /// Report that you did not cause the challenge: the server pauses further ones
    #[arg(long)]
    pub not_me: bool,
}

/// `enrol-link`
#[derive(Debug, Args)]
#[command(
    after_help = "The link begins with http.public_url. Applications create their own: see docs/start/authenticator.md.\n\nExample:\n  countersign enrol-link --service VA0123… --identity ff483d1ff591"
)]
pub struct EnrolLink {
    /// The service's SID (VA…)
    #[arg(long, value_name = "SID")]
    pub service: String,
    /// The application's name for the person, 8 to 64 letters, digits and dashes
    #[arg(long)]
    pub identity: String,
    /// The text that the device shows in place of the identity, 1 to 64 characters
    #[arg(long, value_name = "TEXT")]
    pub account_label: Option<String>,
}

/// `push-test`
#[derive(Debug, Args)]
#[command(
    after_help = "Without --send no device shows anything: Google only validates the push, Apple receives one for a \
                        device that does not exist.\n\nExample:\n  countersign push-test CR0123… --app-id com.example.owlbank"
)]
pub struct PushTest {
    /// The credential's SID (CR…)
    pub credential: String,
    /// The app: the bundle id with Apple, which is the topic unless the credential has one; the package with Google
    #[arg(long, value_name = "ID")]
    pub app_id: String,
    /// The device's push token; required for --send, and for Google also without it
    #[arg(long, required_if_eq("send", "true"))]
    pub token: Option<String>,
    /// The text that the device shows
    #[arg(long, default_value = "A test from Countersign")]
    pub message: String,
    /// Send a real push
    #[arg(long)]
    pub send: bool,
}
