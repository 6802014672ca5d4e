//! The command line of the simulation.

#![expect(clippy::print_stdout, reason = "a command line prints")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use countersign_sim::{Bug, Report, Settings, run};

/// Runs simulated servers, devices and applications from seeds, and judges what happened.
#[derive(Parser)]
#[command(name = "countersign-sim", max_term_width = 100)]
struct Cli {
    /// The first seed. A failure names its seed, which repeats it exactly
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds to run, one after the other
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How long faults happen in each run, in simulated seconds; a minute without faults follows
    #[arg(long, default_value_t = 90)]
    storm_seconds: u64,
    /// Ends after this many seconds of real time, whatever seeds are left
    #[arg(long)]
    real_seconds: Option<u64>,
    /// Puts a bug back. The run succeeds if it is found
    #[arg(long)]
    bug: Option<Bug>,
    /// Prints everything that happened
    #[arg(long)]
    trace: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let (began, mut simulated, mut seeds) = (Instant::now(), Duration::ZERO, 0);
    let storm = Duration::from_secs(cli.storm_seconds);
    let mut told = began;
    for seed in cli.seed..cli.seed.saturating_add(cli.seeds) {
        let report = run(Settings { seed, storm, bug: cli.bug })?;
        simulated += report.simulated;
        seeds += 1;
        if cli.trace {
            trace(&report);
        }
        for violation in &report.violations {
            println!("seed {seed}: {violation}");
        }
        if !report.violations.is_empty() {
            let bug = cli.bug.map_or_else(String::new, |bug| format!(" --bug {}", name(bug)));
            let storm = cli.storm_seconds;
            println!("found by seed {seed}, the {seeds}. of this run; to repeat it exactly:");
            println!("cargo run -p countersign-sim -- --seed {seed} --storm-seconds {storm}{bug}");
            total(seeds, simulated, began);
            return Ok(if cli.bug.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            total(seeds, simulated, began);
        }
        if cli.real_seconds.is_some_and(|most| began.elapsed() >= Duration::from_secs(most)) {
            break;
        }
    }
    total(seeds, simulated, began);
    Ok(match cli.bug {
        Some(bug) => {
            println!("the bug {} was not found", name(bug));
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    })
}

fn name(bug: Bug) -> String {
    clap::ValueEnum::to_possible_value(&bug).map_or_else(String::new, |it| it.get_name().to_owned())
}

fn total(seeds: u64, simulated: Duration, began: Instant) {
    let took = processor_time().unwrap_or_else(|| began.elapsed()).as_secs_f64();
    let simulated = simulated.as_secs_f64();
    let rate = simulated / took;
    println!(
        "{seeds} seeds, {simulated:.0} simulated seconds in {took:.1} s of the processor: {rate:.0} for each"
    );
}

/// How long this process, which has one thread, has had a processor. `None` where the system does not say so.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    let nanos = text.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

fn trace(report: &Report) {
    for (at, event) in &report.history.events {
        println!("{:>5}.{:06} {event:?}", at / 1_000_000, at % 1_000_000);
    }
    for kept in &report.history.kept {
        println!("kept {kept:?}");
    }
}
