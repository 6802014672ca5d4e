//! `countersign-bench`: measures the real binary from outside, over real HTTP, beside a floor: the least that any
//! server does.
//!
//! ```text
//! cargo build --release -p countersign-server
//! cargo run --release -p countersign-bench -- notify
//! ```
//!
//! Everything runs on the loopback interface of one machine, and every run is bounded. Results of different machines,
//! or of different days, compare by their ratio to the floor of the same repeat.

mod answer;
mod backing;
mod bench;
mod bomber;
mod callgrind;
mod calls;
mod cli;
mod console;
mod counts;
mod deliver;
mod draws;
mod fill;
mod fleet;
mod floor;
mod grow;
mod hangups;
mod http;
mod idle;
mod instruments;
mod ledger;
mod load;
mod logins;
mod machine;
mod morning;
mod nodes;
mod notify;
mod onlooker;
mod overload;
mod pace;
mod people;
mod phones;
mod population;
mod process;
mod push;
mod report;
mod restart;
mod rows;
mod server;
mod socket;
mod stalls;
mod stats;
mod webhook;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser as _;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::backing::Backing;
use crate::bench::{Bench, Scale};
use crate::cli::{Cli, Options, Part, Store};
use crate::machine::Machine;
use crate::report::Report;
use crate::server::Installation;

/// The server's allocator, so that the floor is not slower for another reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
            let per_challenge = fill::PER_CHALLENGE;
            let past = fill::HistorySize { entities, notifications, per_challenge };
            fill::fill(database, past)?;
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
    if matches!(part, Part::Restart | Part::Grow | Part::Console) && is_on_postgres(options) {
        bail!("restart, grow and console need SQLite");
    }
    let folder = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    let mut bench = Bench {
        scale: if *part == Part::Smoke { Scale::tiny() } else { options.scale() },
        installation: match &options.database_url {
            None => Installation::new(options.binary.clone()),
            Some(_) => Installation::lasting(options.binary.clone()),
        },
        backing: match (&options.database_url, is_on_postgres(options)) {
            (Some(url), _) => Backing::Given(url.clone()),
            (None, true) => Backing::own(backing::fresh_folder(&folder)?),
            (None, false) => Backing::Sqlite,
        },
        report: Report::new(Machine::look(&folder)),
        folder,
    };
    if let Some(note) = bench.backing.note() {
        bench.report.note(note.to_owned());
    }
    // drops end processes and remove folders, which a signal's default would not do
    let mut terminated = signal(SignalKind::terminate())?;
    let stopped = tokio::select! {
        () = Box::pin(parts(part, &mut bench)) => None,
        _ = tokio::signal::ctrl_c() => Some("interrupted"),
        _ = terminated.recv() => Some("terminated"),
    };
    if let Some(why) = stopped {
        bench.report.fault(why.to_owned());
    }
    if let Some(file) = &options.record {
        counts::record(&bench, file)?;
    }
    if let Some(file) = &options.check {
        counts::check(&mut bench, file)?;
    }
    report::print(&bench.report.text());
    if let Some(file) = &options.json {
        bench.report.write(file)?;
    }
    Ok(if bench.report.faults().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_on_postgres(options: &Options) -> bool {
    options.store == Store::Postgres || options.database_url.is_some()
}

/// Runs the parts in turn. A part that fails is a fault in the report, and the next one runs.
async fn parts(part: &Part, bench: &mut Bench) {
    let every = matches!(part, Part::All | Part::Smoke);
    let all = [
        Part::Floor,
        Part::Notify,
        Part::Deliver,
        Part::Hangups,
        Part::Bomber,
        Part::Push,
        Part::Nodes,
        Part::Idle,
        Part::Answer,
        Part::Restart,
        Part::Overload,
        Part::Grow,
        Part::Console,
        Part::Morning,
        Part::Counts,
    ];
    let fits = |one: &Part| {
        matches!(bench.backing, Backing::Sqlite)
            || !matches!(one, Part::Restart | Part::Grow | Part::Console)
    };
    let all = all.into_iter().filter(fits).collect::<Vec<_>>();
    let left_out = |one: &Part| match one {
        Part::Nodes => true,
        // It takes a minute, whatever the scale.
        Part::Counts => *part == Part::Smoke,
        _ => false,
    };
    for one in all.into_iter().filter(|one| one == part || every && !left_out(one)) {
        let (name, done) = match one {
            Part::Floor => ("floor", notify::floor(bench).await),
            Part::Notify => ("notify", notify::run(bench).await),
            Part::Deliver => ("deliver", deliver::run(bench).await),
            Part::Hangups => ("hangups", hangups::run(bench).await),
            Part::Bomber => ("bomber", bomber::run(bench).await),
            Part::Push => ("push", push::run(bench).await),
            Part::Nodes => ("nodes", nodes::run(bench).await),
            Part::Idle => ("idle", idle::run(bench).await),
            Part::Answer => ("answer", answer::run(bench).await),
            Part::Restart => ("restart", restart::run(bench).await),
            Part::Overload => ("overload", overload::run(bench).await),
            Part::Grow => ("grow", grow::run(bench).await),
            Part::Console => ("console", console::run(bench).await),
            Part::Morning => ("morning", morning::run(bench).await),
            Part::Counts => ("counts", counts::run(bench).await),
            Part::All | Part::Smoke | Part::FloorServer { .. } | Part::Fill { .. } => continue,
        };
        if let Err(error) = done {
            bench.report.fault(format!("{name}: {error:#}"));
        }
    }
}
