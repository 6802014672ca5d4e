//! The command line: the parts, and how big and how long they are.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::Scale;

/// Measures a Countersign server from outside, on the loopback of this machine.
#[derive(Parser)]
#[command(name = "countersign-bench", max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) part: Part,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Subcommand, Clone, PartialEq)]
pub(crate) enum Part {
    /// The yardsticks: a server that parses and answers, and one that also stores a row
    Floor,
    /// Notifications for devices that are not there
    Notify,
    /// Notifications for connected devices, from the request to the frame, all accounted for
    Deliver,
    /// Callers that hang up: whether what was stored for them arrives as fast as for callers that wait
    Hangups,
    /// Notifications for phones of Apple's, from the request to the answer of a stand-in over TLS, all accounted for
    Push,
    /// Several nodes over one PostgreSQL, with NATS between them: the rate of all together, and who spends the
    /// processor. Needs --store postgres, and is no part of `all`
    Nodes,
    /// Memory of connected devices that do nothing
    Idle,
    /// Signed answers of devices
    Answer,
    /// Time to ready after kill -9, with pending deliveries
    Restart,
    /// More requests than the server can take: what it answers then, and right after
    Overload,
    /// Notifications in a database full of the past, against an empty one
    Grow,
    /// All of the above
    All,
    /// All of the above, tiny: whether it works, in seconds; also with a debug build
    Smoke,
    /// One of the yardsticks, until its standard input ends
    #[command(hide = true)]
    FloorServer {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        sqlite: Option<PathBuf>,
    },
    /// Fill the database of a stopped server with the past
    #[command(hide = true)]
    Fill { database: PathBuf },
}

/// Which database.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// A file of the server's own
    Sqlite,
    /// PostgreSQL: one that is started for the purpose, with fsync, or that of --database-url
    Postgres,
}

#[derive(Args, Clone)]
pub(crate) struct Options {
    /// The server to measure
    #[arg(long, global = true, default_value = "target/release/countersign")]
    pub(crate) binary: PathBuf,
    /// The database to measure on. `restart` and `grow` fill a file of SQLite's, and are left out of `all` on PostgreSQL
    #[arg(long, global = true, value_enum, default_value = "sqlite")]
    pub(crate) store: Store,
    /// An empty PostgreSQL database, or one that this has filled before, instead of one started for the purpose
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// nodes: how many
    #[arg(long, global = true, value_delimiter = ',', default_value = "1,2,3")]
    pub(crate) nodes: Vec<usize>,
    /// How often everything is measured, floor included
    #[arg(long, global = true, default_value_t = 3)]
    pub(crate) repeats: usize,
    /// Seconds of each measurement; a second of warming up comes before
    #[arg(long, global = true, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Write all readings as JSON
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Where databases are made and removed again [default: the system's temporary folder]
    #[arg(long, global = true)]
    pub(crate) dir: Option<PathBuf>,
    /// Connections of the load generator; floor and ratios use the first
    #[arg(long, global = true, value_delimiter = ',', default_value = "64,256")]
    pub(crate) connections: Vec<usize>,
    /// Entities with a device each
    #[arg(long, global = true, default_value_t = 2_000)]
    pub(crate) entities: usize,
    /// Challenges that notifications are spread over
    #[arg(long, global = true, default_value_t = 20_000)]
    pub(crate) challenges: usize,
    /// deliver: connected devices
    #[arg(long, global = true, value_delimiter = ',', default_value = "1,1000")]
    pub(crate) devices: Vec<usize>,
    /// idle: connected devices
    #[arg(long, global = true, value_delimiter = ',', default_value = "10000,20000")]
    pub(crate) idle: Vec<usize>,
    /// answer: how many
    #[arg(long, global = true, default_value_t = 20_000)]
    pub(crate) answers: usize,
    /// overload: connections that ask at once, without pause; more than 4,608 are more than a server keeps waiting
    #[arg(long, global = true, default_value_t = 8_000)]
    pub(crate) crowd: usize,
    /// restart: pending deliveries
    #[arg(long, global = true, default_value_t = 100_000)]
    pub(crate) pending: u64,
    /// grow: entities in the full database
    #[arg(long, global = true, default_value_t = 100_000)]
    pub(crate) old_entities: u64,
    /// grow: notifications in the full database
    #[arg(long, global = true, default_value_t = 1_000_000)]
    pub(crate) old_notifications: u64,
}

impl Options {
    pub(crate) fn scale(&self) -> Scale {
        // what is zero or endless here would be so everywhere
        let window = Duration::from_secs_f64(self.seconds.clamp(0.05, 600.0));
        Scale {
            repeats: self.repeats.clamp(1, 100),
            warm: window.min(Duration::from_secs(1)),
            window,
            entities: self.entities.max(1),
            challenges: self.challenges.max(1),
            connections: self.connections.clone(),
            slow: 500.0,
            devices: self.devices.clone(),
            nodes: self.nodes.iter().map(|nodes| (*nodes).max(1)).collect(),
            idle: self.idle.clone(),
            answers: self.answers.max(1),
            crowd: self.crowd.max(1),
            pending: self.pending,
            old_entities: self.old_entities.max(1),
            old_notifications: self.old_notifications,
        }
    }
}
