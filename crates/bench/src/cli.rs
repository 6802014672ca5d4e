//! The command line: the parts, and their sizes and durations.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::{MorningScale, Scale};

/// The lifetime of a login's challenge in `morning`.
const LOGIN_LIFETIME: Duration = Duration::from_secs(60);

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
    /// The floors: a server that parses and responds, and one that also stores a row
    Floor,
    /// Notifications for offline devices
    Notify,
    /// Notifications for connected devices, from the request to the frame, all accounted for
    Deliver,
    /// Callers that hang up: whether their stored notifications arrive as fast as for callers that wait
    Hangups,
    /// Somebody who asks one person ten times a second: whether prompts to everybody else arrive as before
    Bomber,
    /// Notifications for Apple devices, from the request to the response of a stand-in over TLS, all accounted for
    Push,
    /// Several nodes with one PostgreSQL and NATS between them: the total rate, and the processor time of each
    /// process. Needs --store postgres, and is not part of `all`
    Nodes,
    /// Memory and processor time of connected devices that are idle: 90 s for each number of devices
    Idle,
    /// Signed answers of devices
    Answer,
    /// Time to ready after kill -9, with pending deliveries
    Restart,
    /// More requests than the server can serve: its responses during the overload and right after it
    Overload,
    /// Notifications in a database with a long history, compared with an empty one
    Grow,
    /// Pages of the console over a long history: each within 100 ms
    Console,
    /// People who log in as on a working day: from the application's request to the prompt, from the person's answer to the
    /// webhook, all accounted for. --logins, --people, --seconds and --seed vary it
    Morning,
    /// Instructions, allocations, bytes, writes, syncs and context switches of each request, counted with valgrind and
    /// strace
    Counts,
    /// All of the above
    All,
    /// All of the above at a tiny scale: whether everything works, in seconds; also with a debug build
    Smoke,
    /// One of the floors, until its standard input ends
    #[command(hide = true)]
    FloorServer {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        sqlite: Option<PathBuf>,
    },
    /// Fill the database of a stopped server with history
    #[command(hide = true)]
    Fill { database: PathBuf },
}

/// The database.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// A file of the server
    Sqlite,
    /// PostgreSQL: a server started for the benchmark, with fsync, or that of --database-url
    Postgres,
}

#[derive(Args, Clone)]
pub(crate) struct Options {
    /// The server to measure
    #[arg(long, global = true, default_value = "target/release/countersign")]
    pub(crate) binary: PathBuf,
    /// The database to measure on. `restart`, `grow` and `console` need SQLite, and are left out of `all` on PostgreSQL
    #[arg(long, global = true, value_enum, default_value = "sqlite")]
    pub(crate) store: Store,
    /// An empty PostgreSQL database, or one that an earlier run has filled, instead of a server started for the
    /// benchmark
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// nodes: numbers of nodes
    #[arg(long, global = true, value_delimiter = ',', default_value = "1,2,3")]
    pub(crate) nodes: Vec<usize>,
    /// Repeats of every measurement, the floor included
    #[arg(long, global = true, default_value_t = 3)]
    pub(crate) repeats: usize,
    /// Seconds of each measurement, after a second of warm-up
    #[arg(long, global = true, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Write all readings as JSON
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The folder for temporary databases [default: the system's temporary folder]
    #[arg(long, global = true)]
    pub(crate) dir: Option<PathBuf>,
    /// Connections of the load generator; the floor and ratios use the first number
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
    /// answer: number of answers
    #[arg(long, global = true, default_value_t = 20_000)]
    pub(crate) answers: usize,
    /// overload: connections that send requests without pause; more than 4,608 exceed the server's queue
    #[arg(long, global = true, default_value_t = 8_000)]
    pub(crate) crowd: usize,
    /// restart: pending deliveries
    #[arg(long, global = true, default_value_t = 100_000)]
    pub(crate) pending: u64,
    /// grow and console: entities in the full database
    #[arg(long, global = true, default_value_t = 100_000)]
    pub(crate) old_entities: u64,
    /// grow: notifications in the full database
    #[arg(long, global = true, default_value_t = 1_000_000)]
    pub(crate) old_notifications: u64,
    /// console: challenges in the database
    #[arg(long, global = true, default_value_t = 1_000_000)]
    pub(crate) old_challenges: u64,
    /// morning: people, with a device each; more than the limit of open files permits are left out
    #[arg(long, global = true, default_value_t = 15_000)]
    pub(crate) people: usize,
    /// morning: the seed of arrivals, answers and reconnections
    #[arg(long, global = true, default_value_t = 1)]
    pub(crate) seed: u64,
    /// morning: logins per second
    #[arg(long, global = true, value_delimiter = ',', default_value = "200,1000")]
    pub(crate) logins: Vec<f64>,
    /// counts: requests of each kind
    #[arg(long, global = true, default_value_t = 200)]
    pub(crate) counted: usize,
    /// counts: fail if a count is more than a tenth above that in this file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) check: Option<PathBuf>,
    /// counts: write the counts to a file for --check
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

impl Options {
    pub(crate) fn scale(&self) -> Scale {
        // a zero or endless window would be so for every part
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
            old_challenges: self.old_challenges,
            is_judged: true,
            morning: MorningScale {
                logins: self.logins.iter().map(|rate| rate.max(0.1)).collect(),
                people: self.people.max(1),
                seed: self.seed,
                window,
                lifetime: LOGIN_LIFETIME,
            },
            counted: self.counted.max(1),
        }
    }
}
