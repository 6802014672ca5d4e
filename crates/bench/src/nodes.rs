//! `nodes`: one and more nodes with one PostgreSQL and NATS between them, on this machine: the total rate, and the
//! processor time of each process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use countersign_testkit::NatsServer;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::backing::{Backing, fresh_folder};
use crate::bench::Bench;
use crate::deliver::{PATIENCE, lost_and_superseded};
use crate::fleet::Fleet;
use crate::ledger::{Accepted, AcceptedLog, Reconciliation};
use crate::load::{self, Load};
use crate::machine::ProcessGroups;
use crate::notify::TTL;
use crate::pace::Pace;
use crate::population::{Challenges, Population};
use crate::server::Server;

const PART: &str = "nodes";

/// Nodes and their shared servers.
struct Setup {
    servers: Vec<Server>,
    nats: NatsServer,
    _folders: Vec<TempDir>,
}

/// The totals of all nodes.
struct Sum {
    loads: Vec<Load>,
    accepted: Vec<Accepted>,
    /// Processor time by process, as shares of one core.
    shares: Vec<(&'static str, f64)>,
}

/// For each number of nodes: notifications for offline devices, then from the request to the frame.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    ensure!(
        !matches!(bench.backing, Backing::Sqlite),
        "nodes share a PostgreSQL: --store postgres"
    );
    for _ in 0..bench.scale.repeats {
        let floor = bench.bare_floor(PART).await?;
        for count in bench.scale.nodes.clone() {
            let mut setup = set_up(bench, count).await?;
            let who = if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") };
            notify(bench, &setup, &format!("{who}, Ttl={TTL}, nobody connected"), floor).await?;
            deliver(bench, &setup, &who, floor).await?;
            for server in &mut setup.servers {
                server.still_runs()?;
            }
        }
    }
    Ok(())
}

async fn set_up(bench: &Bench, count: usize) -> Result<Setup> {
    let nats = NatsServer::start("");
    let mut variables = bench.backing.variables();
    variables.push(("COUNTERSIGN_BUS__NATS", nats.url()));
    let installation = bench.installation.with(variables);
    let (mut servers, mut folders) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let folder = fresh_folder(&bench.folder)?;
        servers.push(installation.start(folder.path()).await?);
        folders.push(folder);
    }
    Ok(Setup { servers, nats, _folders: folders })
}

async fn notify(bench: &mut Bench, setup: &Setup, name: &str, floor: f64) -> Result<()> {
    let account = bench.installation.account_sid();
    let population = Population::enrol(&setup.servers[0], account, bench.scale.entities).await?;
    let challenges = population.challenge(&setup.servers[0], bench.scale.challenges).await?;
    let sum = measure(bench, setup, &challenges).await?;
    let rate = sum.loads.iter().map(Load::per_second).sum();
    let of_first = &sum.loads[0].latency;
    let quantiles = [0.5, 0.99].map(|share| of_first.quantile_ms(share));
    record(bench, name, (rate, floor), quantiles, &sum);
    Ok(())
}

async fn deliver(bench: &mut Bench, setup: &Setup, who: &str, floor: f64) -> Result<()> {
    let devices = bench.scale.devices.iter().copied().max().unwrap_or(1);
    let account = bench.installation.account_sid();
    let first = &setup.servers[0];
    let population = Arc::new(Population::enrol(first, account, devices).await?);
    let mut fleet = Fleet::new();
    let nodes = setup.servers.len();
    for (node, server) in setup.servers.iter().enumerate() {
        let part = devices * node / nodes..devices * (node + 1) / nodes;
        fleet.connect(server, &population, part).await?;
    }
    let challenges = population.challenge(first, devices.max(bench.scale.challenges)).await?;
    // their automatic pushes arrive first and do not count
    fleet.settle(challenges.all.len(), PATIENCE).await;
    fleet.take();

    let sum = measure(bench, setup, &challenges).await?;
    fleet.settle(sum.accepted.len(), PATIENCE).await;
    let frames = fleet.take();
    let ttl = Duration::from_secs(TTL.into());
    let reconciliation = Reconciliation::of(&sum.accepted, &frames, ttl, sum.loads[0].window);
    fleet.check_connected()?;
    let name = format!("{who}, {devices} devices, to the frame");
    let rate = reconciliation.within as f64 / sum.loads[0].elapsed.as_secs_f64().max(1e-9);
    let quantiles = [0.5, 0.99].map(|share| reconciliation.latency.quantile_ms(share));
    record(bench, &name, (rate, floor), quantiles, &sum);
    let counts =
        lost_and_superseded(bench, PART, &name, first, &challenges, &reconciliation).await?;
    bench.report.add(PART, &name, &counts);
    Ok(())
}

/// Each node receives requests for all challenges, from a different start; the connections are divided among the
/// nodes.
async fn measure(bench: &Bench, setup: &Setup, challenges: &Challenges) -> Result<Sum> {
    let mut plan = bench.plan(bench.connections(), Pace::Closed);
    let nodes = setup.servers.len();
    plan.connections = (plan.connections / nodes).max(1);
    let mut loads = JoinSet::new();
    for (node, server) in setup.servers.iter().enumerate() {
        let shift = challenges.all.len() * node / nodes;
        let requests = challenges.rotated(shift).notify(server, TTL);
        let target = server.target;
        loads.spawn(async move {
            let accepted = AcceptedLog::default();
            let load = load::run(target, &requests, plan, Some(accepted.observer())).await;
            let mut made = accepted.take();
            made.iter_mut().for_each(|accepted| accepted.request += shift as u64);
            load.map(|load| (load, made))
        });
    }
    let pids: Vec<_> = setup.servers.iter().map(|server| server.target.pid).collect();
    let crowd = ProcessGroups::watch(&[
        ("servers %", &pids),
        ("PostgreSQL %", bench.backing.pid().as_slice()),
        ("NATS %", setup.nats.pid().as_slice()),
        ("bench %", &[std::process::id()]),
    ]);
    let begin = Instant::now();
    let (mut sum, mut shares) =
        (Sum { loads: Vec::new(), accepted: Vec::new(), shares: Vec::new() }, None);
    while let Some(done) = loads.join_next().await {
        // the windows of all nodes end together
        shares.get_or_insert_with(|| crowd.shares(begin.elapsed()));
        let (load, mut accepted) = done??;
        sum.loads.push(load);
        sum.accepted.append(&mut accepted);
    }
    sum.shares = shares.unwrap_or_default();
    Ok(sum)
}

fn record(
    bench: &mut Bench,
    name: &str,
    (rate, floor): (f64, f64),
    [half, most]: [Option<f64>; 2],
    sum: &Sum,
) {
    let mut readings = vec![("per s", rate), ("x floor", rate / floor.max(1e-9))];
    readings.extend(half.map(|ms| ("p50 ms", ms)));
    readings.extend(most.map(|ms| ("p99 ms", ms)));
    readings.extend(&sum.shares);
    bench.report.add(PART, name, &readings);
    for load in &sum.loads {
        bench.report.fault_of(PART, name, load);
    }
}
