//! `idle`: the memory and the processor time of a connected device while nothing happens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::bench::Bench;
use crate::fleet::Fleet;
use crate::machine::{Memory, Meter, sockets_max};
use crate::population::Population;

/// The delay with which allocators return memory.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// The time in which processor time is measured: two pings of each device.
const WATCHED: Duration = Duration::from_secs(90);

/// Measures memory before and after devices have connected.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let limit = sockets_max();
    let mut counts: Vec<_> = bench.scale.idle.iter().map(|count| (*count).min(limit)).collect();
    counts.sort_unstable();
    counts.dedup();
    if bench.scale.idle.iter().any(|count| *count > limit) {
        bench.report.note(format!(
            "idle devices are bounded by the limit of open files (ulimit -n) to {limit}"
        ));
    }
    let settle_time = SETTLE_TIME.min(bench.scale.window);
    let watched = if bench.scale.is_judged { WATCHED } else { bench.scale.window };
    for _ in 0..bench.scale.repeats {
        let most = counts.last().copied().unwrap_or(0);
        let (mut server, _folder) = bench.fresh_server().await?;
        let account = bench.installation.account_sid();
        let population = Arc::new(Population::enrol(&server, account, most).await?);
        tokio::time::sleep(settle_time).await;
        let before = Memory::of(server.target.pid);
        let mut fleet = Fleet::new();
        let mut connected = 0;
        for count in &counts {
            let begin = Instant::now();
            fleet.connect(&server, &population, connected..*count).await?;
            let rate = (count - connected) as f64 / begin.elapsed().as_secs_f64().max(1e-9);
            connected = *count;
            tokio::time::sleep(settle_time).await;
            fleet.check_connected()?;
            let after = Memory::of(server.target.pid);
            let meter = Meter::start(server.target.pid);
            tokio::time::sleep(watched).await;
            let usage = meter.stop();
            fleet.check_connected()?;
            let devices = connected.max(1) as f64;
            let each = |now: f64, then: f64| (now - then) / 1024.0 / devices;
            let per_second = usage.server * 1e6 / watched.as_secs_f64() / devices;
            let [others, held] = usage.disturbances();
            let readings = [
                ("private KiB each", each(after.private, before.private)),
                ("resident KiB each", each(after.resident, before.resident)),
                ("server MiB before", before.resident / 1024.0 / 1024.0),
                ("connected per s", rate),
                ("CPU us per s each", per_second),
                others,
                held,
            ];
            bench.report.add("idle", &format!("{connected} devices"), &readings);
        }
        server.still_runs()?;
    }
    Ok(())
}
