//! Runs of the simulation: nothing goes wrong, runs repeat exactly, and a bug that is put back is found.
//!
//! `SIM_SECONDS=3600 cargo nextest run -p countersign-sim --no-capture seeds` runs as many seeds as fit into an hour of real time.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::time::{Duration, Instant};

use countersign_sim::{Bug, Report, Settings, run};

/// The seeds that every run of the tests has.
const SEEDS: u64 = 12;

fn simulate(seed: u64, bug: Option<Bug>) -> Report {
    run(Settings { seed, storm: Duration::from_secs(90), bug }).unwrap()
}

#[test]
fn no_seed_breaks_a_rule() {
    let seconds = std::env::var("SIM_SECONDS").map_or(0, |seconds| seconds.parse().unwrap());
    let (began, mut simulated) = (Instant::now(), Duration::ZERO);
    for seed in 1.. {
        if seed > SEEDS && began.elapsed() >= Duration::from_secs(seconds) {
            println!("{} seeds, {} simulated seconds", seed - 1, simulated.as_secs());
            break;
        }
        let report = simulate(seed, None);
        simulated += report.simulated;
        let broken: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
        assert!(broken.is_empty(), "cargo run -p countersign-sim -- --seed {seed}\n{broken:#?}");
    }
}

#[test]
fn a_seed_repeats_everything_that_happened() {
    for seed in [3, 5, 17] {
        let (first, second) = (simulate(seed, None), simulate(seed, None));
        let differs = first.history.events.iter().zip(&second.history.events);
        let differs = differs.enumerate().find(|(_, (one, other))| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first, second);
        assert!(first.history.events.len() > 100, "seed {seed} does too little");
    }
}

#[test]
fn a_bug_that_is_put_back_is_found() {
    for bug in [Bug::NoRescue, Bug::ResultsDropped, Bug::MachineClocks, Bug::LostOfferWaits] {
        let is_found = |seed: &u64| !simulate(*seed, Some(bug)).violations.is_empty();
        let found = (1..=100).find(is_found);
        println!("{bug:?} is found by seed {found:?}");
        assert!(found.is_some(), "{bug:?}");
    }
}
