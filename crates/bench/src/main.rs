//! `countersign-bench`: measures the real binary from outside, over real HTTP, beside the least that any server does.
//!
//! ```text
//! cargo build --release -p countersign-server
//! cargo run --release -p countersign-bench -- notify
//! ```
//!
//! Everything stays on the loopback of one machine, and every run is bounded. Figures of different machines, or of one
//! machine on different days, compare by their ratio to the floor that was measured in the same repeat.

mod answer;
mod bench;
mod deliver;
mod fill;
mod fleet;
mod floor;
mod grow;
mod http;
mod idle;
mod ledger;
mod load;
mod machine;
mod notify;
mod pace;
mod population;
mod process;
mod report;
mod restart;
mod rows;
mod server;
mod socket;
mod stats;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::bench::{Bench, Scale};
use crate::machine::Machine;
use crate::report::Report;
use crate::server::Installation;

/// As the server has it, so that the floor is not slower for another reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures a Countersign server from outside, on the loopback of this machine.
#[derive(Parser)]
#[command(name = "countersign-bench", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    part: Part,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand, Clone, PartialEq)]
enum Part {
    /// The yardsticks: a server that parses and answers, and one that also stores a row
    Floor,
    /// Notifications for devices that are not there
    Notify,
    /// Notifications for connected devices, from the request to the frame, all accounted for
    Deliver,
    /// Memory of connected devices that do nothing
    Idle,
    /// Signed answers of devices
    Answer,
    /// Time to ready after kill -9, with pending deliveries
    Restart,
    /// Notifications in a database full of the past, against an empty one
    Grow,
    /// All of the above
    All,
    /// All of the above, tiny: whether it works, in seconds; also with a debug build
    Smoke,
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

#[derive(Args, Clone)]
struct Options {
    /// The server to measure
    #[arg(long, global = true, default_value = "target/release/countersign")]
    binary: PathBuf,
    /// How often everything is measured, floor included
    #[arg(long, global = true, default_value_t = 3)]
    repeats: usize,
    /// Seconds of each measurement; a second of warming up comes before
    #[arg(long, global = true, default_value_t = 5.0)]
    seconds: f64,
    /// Write all readings as JSON
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where databases are made and removed again [default: the system's temporary folder]
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
    /// Connections of the load generator; floor and ratios use the first
    #[arg(long, global = true, value_delimiter = ',', default_value = "64,256")]
    connections: Vec<usize>,
    /// Entities, devices and challenges that notifications are spread over
    #[arg(long, global = true, default_value_t = 2_000)]
    entities: usize,
    /// deliver: connected devices
    #[arg(long, global = true, value_delimiter = ',', default_value = "1,1000")]
    devices: Vec<usize>,
    /// idle: connected devices
    #[arg(long, global = true, value_delimiter = ',', default_value = "10000,20000")]
    idle: Vec<usize>,
    /// answer: how many
    #[arg(long, global = true, default_value_t = 20_000)]
    answers: usize,
    /// restart: pending deliveries
    #[arg(long, global = true, default_value_t = 100_000)]
    pending: u64,
    /// grow: entities in the full database
    #[arg(long, global = true, default_value_t = 100_000)]
    old_entities: u64,
    /// grow: notifications in the full database
    #[arg(long, global = true, default_value_t = 1_000_000)]
    old_notifications: u64,
}

impl Options {
    fn scale(&self) -> Scale {
        // what is zero or endless here would be so everywhere
        let window = Duration::from_secs_f64(self.seconds.clamp(0.05, 600.0));
        Scale {
            repeats: self.repeats.clamp(1, 100),
            warm: window.min(Duration::from_secs(1)),
            window,
            entities: self.entities.max(1),
            connections: self.connections.clone(),
            slow: 500.0,
            devices: self.devices.clone(),
            idle: self.idle.clone(),
            answers: self.answers.max(1),
            pending: self.pending,
            old_entities: self.old_entities.max(1),
            old_notifications: self.old_notifications,
        }
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            report::say(&format!("countersign-bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    match &cli.part {
        Part::FloorServer { listen, sqlite } => {
            let runtime = Builder::new_multi_thread().enable_all().build()?;
            let served = runtime.block_on(floor::serve(*listen, sqlite.clone()));
            runtime.shutdown_background();
            served.map(|()| ExitCode::SUCCESS)
        }
        Part::Fill { database } => {
            let Scale { old_entities: entities, old_notifications: notifications, .. } =
                cli.options.scale();
            fill::fill(database, fill::Past { entities, notifications })?;
            Ok(ExitCode::SUCCESS)
        }
        // one thread serves all connections of the load generator: the server needs the rest of the machine
        part => Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(measure(part, &cli.options)),
    }
}

async fn measure(part: &Part, options: &Options) -> Result<ExitCode> {
    if *part != Part::Floor && !options.binary.is_file() {
        bail!(
            "no server at {}: build it first, or name it with --binary",
            options.binary.display()
        );
    }
    let folder = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    let mut bench = Bench {
        scale: if *part == Part::Smoke { Scale::tiny() } else { options.scale() },
        installation: Installation::new(options.binary.clone()),
        report: Report::new(Machine::look(&folder)),
        folder,
    };
    // whatever is dropped takes its process and its folder along, which a signal's default would not
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        done = Box::pin(parts(part, &mut bench)) => done?,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminated.recv() => bail!("terminated"),
    }
    report::print(&bench.report.text());
    if let Some(file) = &options.json {
        bench.report.write(file)?;
    }
    Ok(if bench.report.faults().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn parts(part: &Part, bench: &mut Bench) -> Result<()> {
    let every = matches!(part, Part::All | Part::Smoke);
    if every || *part == Part::Floor {
        notify::floor(bench).await.context("floor")?;
    }
    if every || *part == Part::Notify {
        notify::run(bench).await.context("notify")?;
    }
    if every || *part == Part::Deliver {
        deliver::run(bench).await.context("deliver")?;
    }
    if every || *part == Part::Idle {
        idle::run(bench).await.context("idle")?;
    }
    if every || *part == Part::Answer {
        answer::run(bench).await.context("answer")?;
    }
    if every || *part == Part::Restart {
        restart::run(bench).await.context("restart")?;
    }
    if every || *part == Part::Grow {
        grow::run(bench).await.context("grow")?;
    }
    Ok(())
}
