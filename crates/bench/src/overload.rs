//! `overload`: many more requests than can be served, and the time after.

use std::sync::Arc;

use anyhow::Result;

use crate::bench::Bench;
use crate::load::{self, Load, Requests};
use crate::machine::{Memory, sockets_max};
use crate::notify::TTL;
use crate::pace::Pace;
use crate::population::Population;

/// Measures the usual load, then a crowd that sends a request at once after every response, then the usual load
/// again.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    const PART: &str = "overload";
    let crowd = bench.scale.crowd.min(sockets_max());
    let usual = bench.connections();
    for _ in 0..bench.scale.repeats {
        let floor = bench.bare_floor(PART).await?;
        let (mut server, _folder) = bench.fresh_server().await?;
        let account = bench.installation.account_sid();
        let population = Population::enrol(&server, account, bench.scale.entities).await?;
        let challenges = population.challenge(&server, bench.scale.challenges).await?;
        let requests = challenges.notify(&server, TTL);
        let lenient = Arc::new(Requests {
            wire: requests.wire.clone(),
            expected: requests.expected,
            may_shed: true,
        });

        let plan = bench.plan(usual, Pace::Closed);
        let before = load::run(server.target, &requests, plan, None).await?;
        let name = format!("{usual} connections, before");
        bench.report.add_load(PART, &name, &before, Some(floor), &[]);

        let calm = Memory::of(server.target.pid);
        let plan = bench.plan(crowd, Pace::Closed);
        let rush = load::run(server.target, &lenient, plan, None).await?;
        let name = format!("{crowd} connections at once");
        let peak = Memory::of(server.target.pid).peak;
        bench.report.add(PART, &name, &rush_readings(&rush, floor, calm.resident, peak));
        bench.report.fault_of(PART, &name, &rush);

        let plan = bench.plan(usual, Pace::Closed);
        let after = load::run(server.target, &requests, plan, None).await?;
        let name = format!("{usual} connections, right after");
        bench.report.add_load(PART, &name, &after, Some(floor), &[]);
        server.still_runs()?;
    }
    Ok(())
}

fn rush_readings(rush: &Load, floor: f64, calm: f64, peak: f64) -> Vec<(&'static str, f64)> {
    const MIB: f64 = 1024.0 * 1024.0;
    let mut readings = vec![
        ("per s", rush.per_second()),
        ("x floor", rush.per_second() / floor.max(1e-9)),
        ("503 per s", rush.shed.count() as f64 / rush.elapsed.as_secs_f64().max(1e-9)),
    ];
    let mut quantile = |name, of: &crate::stats::Histogram, share| {
        readings.extend(of.quantile_ms(share).map(|ms| (name, ms)));
    };
    quantile("p50 ms", &rush.latency, 0.5);
    quantile("p99 ms", &rush.latency, 0.99);
    quantile("503 p50 ms", &rush.shed, 0.5);
    quantile("503 p99 ms", &rush.shed, 0.99);
    readings.push(("MiB before", calm / MIB));
    readings.push(("MiB at most", peak / MIB));
    readings
}
