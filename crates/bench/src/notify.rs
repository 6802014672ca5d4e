//! `floor` and `notify`: the rate and the latency of durable notifications without connected devices.

use std::sync::Arc;

use anyhow::Result;

use crate::bench::Bench;
use crate::floor::Kind;
use crate::load;
use crate::pace::Pace;
use crate::population::{Challenges, Population};
use crate::server::Server;
use crate::stalls::Stalls;

/// The TTL of all measured notifications, in seconds.
pub(crate) const TTL: u32 = 150;

/// Measures only the floors.
pub(crate) async fn floor(bench: &mut Bench) -> Result<()> {
    for _ in 0..bench.scale.repeats {
        let mut base = None;
        for connections in bench.scale.connections.clone() {
            for (kind, name) in [(Kind::Bare, "bare"), (Kind::Sqlite, "one row in SQLite")] {
                let load = bench.floor(kind, connections).await?;
                let base = *base.get_or_insert(load.per_second());
                let name = format!("{name}, {connections} connections");
                bench.report.add_load("floor", &name, &load, Some(base), &[]);
            }
        }
    }
    Ok(())
}

/// Measures notifications for offline devices.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    const PART: &str = "notify";
    for _ in 0..bench.scale.repeats {
        let floor = bench.bare_floor(PART).await?;
        let connections = bench.connections();
        let rows = bench.floor(Kind::Sqlite, connections).await?;
        let name = format!("floor with a row in SQLite, {connections} connections");
        bench.report.add_load(PART, &name, &rows, Some(floor), &[]);

        let (mut server, _folder) = bench.fresh_server().await?;
        let (population, mut challenges) = populate(bench, &server).await?;
        let mut most = None;
        for connections in bench.scale.connections.clone() {
            let name = format!("Ttl={TTL}, {connections} connections");
            let plan = (connections, Pace::Closed);
            let rate = measure(bench, &server, &challenges, TTL, plan, &name, floor).await?;
            most = most.or(Some(rate));
            population.renew_expiring(&server, &mut challenges).await?;
        }
        let name = format!("Ttl=0, {connections} connections");
        measure(bench, &server, &challenges, 0, (connections, Pace::Closed), &name, floor).await?;
        let half = Pace::Open((most.unwrap_or(2.0) / 2.0).max(1.0));
        let name = format!("Ttl={TTL}, on schedule at half the most");
        measure(bench, &server, &challenges, TTL, (connections, half), &name, floor).await?;
        let slow = Pace::Open(bench.scale.slow);
        let name = format!("Ttl={TTL}, on schedule at {} per s", bench.scale.slow);
        measure(bench, &server, &challenges, TTL, (connections, slow), &name, floor).await?;
        server.still_runs()?;
    }
    Ok(())
}

async fn populate(bench: &Bench, server: &Server) -> Result<(Population, Challenges)> {
    let account = bench.installation.account_sid();
    let population = Population::enrol(server, account, bench.scale.entities).await?;
    let challenges = population.challenge(server, bench.scale.challenges).await?;
    Ok((population, challenges))
}

async fn measure(
    bench: &mut Bench,
    server: &Server,
    challenges: &Challenges,
    ttl: u32,
    (connections, pace): (usize, Pace),
    name: &str,
    floor: f64,
) -> Result<f64> {
    let requests = challenges.notify(server, ttl);
    let plan = bench.plan(connections, pace);
    let stalls = Stalls::watch(server).await?;
    let load = load::run(server.target, &Arc::clone(&requests), plan, None).await?;
    let stalls = stalls.readings(&load.latency).await?;
    // a schedule sets its own rate
    let floor = (pace == Pace::Closed).then_some(floor);
    bench.report.add_load("notify", name, &load, floor, &stalls);
    Ok(load.per_second())
}
