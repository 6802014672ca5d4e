//! `deliver`: from the request to the frame on a device's stream, with every notification accounted for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::bench::Bench;
use crate::calls::each;
use crate::fleet::Fleet;
use crate::ledger::{Accepted, AcceptedLog, Reconciliation};
use crate::load::{self, Load, Requests};
use crate::notify::TTL;
use crate::pace::Pace;
use crate::population::{Challenges, Population};
use crate::server::Server;
use crate::stalls::Stalls;

const PART: &str = "deliver";
/// The time to wait for a prompt: an unacknowledged one is offered again after ten seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(13);
/// The most missing notifications that are looked up.
const LOOKUPS_MAX: usize = 200;

/// Connected devices and their requests.
pub(crate) struct Setup {
    pub(crate) server: Server,
    pub(crate) fleet: Fleet,
    pub(crate) challenges: Challenges,
    pub(crate) requests: Arc<Requests>,
    /// The part of the benchmark that it serves.
    part: &'static str,
    who: String,
}

/// For each number of devices: the maximum rate, half of it, and a slow schedule.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    for _ in 0..bench.scale.repeats {
        let floor = bench.bare_floor(PART).await?;
        for devices in bench.scale.devices.clone() {
            let (mut setup, _folder) = set_up(bench, PART, devices).await?;
            let most = measure(bench, &setup, Pace::Closed, "the most", Some(floor)).await?;
            let half = Pace::Open((most / 2.0).max(1.0));
            measure(bench, &setup, half, "on schedule at half the most", None).await?;
            let slow = bench.scale.slow;
            let name = format!("on schedule at {slow} per s");
            measure(bench, &setup, Pace::Open(slow), &name, None).await?;
            setup.server.still_runs()?;
        }
    }
    Ok(())
}

/// A new server with connected devices, on which every automatic push has arrived.
pub(crate) async fn set_up(
    bench: &Bench,
    part: &'static str,
    devices: usize,
) -> Result<(Setup, tempfile::TempDir)> {
    let (server, folder) = bench.fresh_server().await?;
    let account = bench.installation.account_sid();
    let population = Arc::new(Population::enrol(&server, account, devices).await?);
    let mut fleet = Fleet::new();
    fleet.connect(&server, &population, 0..devices).await?;
    // many challenges, even for one device: a newer prompt of a challenge may replace an older one
    let challenges = population.challenge(&server, devices.max(bench.scale.challenges)).await?;
    // their automatic pushes arrive first and do not count
    fleet.settle(challenges.all.len(), PATIENCE).await;
    fleet.take();
    let requests = challenges.notify(&server, TTL);
    let who = match devices {
        1 => "1 device".to_owned(),
        devices => format!("{devices} devices"),
    };
    Ok((Setup { server, fleet, challenges, requests, part, who }, folder))
}

/// Measures the rate at which frames arrive.
pub(crate) async fn measure(
    bench: &mut Bench,
    setup: &Setup,
    pace: Pace,
    how: &str,
    floor: Option<f64>,
) -> Result<f64> {
    let accepted = AcceptedLog::default();
    let plan = bench.plan(bench.connections(), pace);
    let observer = Some(accepted.observer());
    let stalls = Stalls::watch(&setup.server).await?;
    let load = load::run(setup.server.target, &setup.requests, plan, observer).await?;
    let accepted = accepted.take();
    setup.fleet.settle(accepted.len(), PATIENCE).await;
    let frames = setup.fleet.take();
    let ttl = Duration::from_secs(TTL.into());
    let reconciliation = Reconciliation::of(&accepted, &frames, ttl, load.window);
    setup.fleet.check_connected()?;

    let name = format!("{}, {how}", setup.who);
    let rate = reconciliation.within as f64 / load.elapsed.as_secs_f64().max(1e-9);
    let stalls = stalls.readings(&reconciliation.latency).await?;
    let Setup { server, challenges, part, .. } = setup;
    record(bench, (part, &name), &load, &reconciliation, (rate, floor), &stalls);
    let counts =
        lost_and_superseded(bench, part, &name, server, challenges, &reconciliation).await?;
    bench.report.add(part, &name, &counts);
    Ok(rate)
}

fn record(
    bench: &mut Bench,
    (part, name): (&'static str, &str),
    load: &Load,
    reconciliation: &Reconciliation,
    (rate, floor): (f64, Option<f64>),
    stalls: &[(&'static str, f64)],
) {
    let mut readings = vec![("per s", rate)];
    readings.extend(floor.map(|floor| ("x floor", rate / floor.max(1e-9))));
    for (column, share) in [("p50 ms", 0.5), ("p99 ms", 0.99)] {
        readings.extend(reconciliation.latency.quantile_ms(share).map(|ms| (column, ms)));
    }
    readings.push(("max ms", reconciliation.latency.longest_ms()));
    readings.extend(load.latency.quantile_ms(0.5).map(|ms| ("201 p50 ms", ms)));
    readings.push(("CPU us", load.usage.server * 1e6 / (load.answered.max(1) as f64)));
    readings.extend(load.usage.disturbances());
    readings.extend(stalls);
    bench.report.add(part, name, &readings);
    bench.report.fault_of(part, name, load);
}

/// Counts the missing, duplicate, late and unknown notifications as readings; each is a fault.
pub(crate) async fn lost_and_superseded(
    bench: &mut Bench,
    part: &'static str,
    name: &str,
    server: &Server,
    challenges: &Challenges,
    reconciliation: &Reconciliation,
) -> Result<[(&'static str, f64); 4]> {
    let superseded = superseded(server, challenges, &reconciliation.missing).await?;
    let lost = reconciliation.missing.len() as u64 - superseded;
    let counts = [
        ("lost", lost),
        ("twice", reconciliation.duplicated),
        ("late", reconciliation.late),
        ("unpromised", reconciliation.unknown),
    ];
    for (what, count) in counts {
        if count > 0 {
            bench.report.fault(format!("{part}: {name}: {count} {what}"));
        }
    }
    if superseded > 0 {
        bench
            .report
            .note(format!("{name}: {superseded} replaced by a newer prompt of the same challenge"));
    }
    Ok(counts.map(|(column, count)| (column, count as f64)))
}

/// How many of the missing notifications were superseded, according to the server.
async fn superseded(server: &Server, challenges: &Challenges, missing: &[Accepted]) -> Result<u64> {
    let all = &challenges.all;
    let wire = missing.iter().take(LOOKUPS_MAX).map(|accepted| {
        let at = usize::try_from(accepted.request).unwrap_or(0) % all.len();
        server.get(&format!("{}/Notifications/NT{:032x}", all[at].0, accepted.sid))
    });
    let replies = each(server.target, wire.collect(), 200, 4).await.context("a missing one")?;
    let is_superseded = |body: &[u8]| body.windows(10).any(|word| word == b"superseded");
    Ok(replies.iter().filter(|reply| is_superseded(&reply.body)).count() as u64)
}
