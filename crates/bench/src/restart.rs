//! `restart`: the time to readiness after a power failure, with nothing and with many deliveries pending.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::bench::Bench;
use crate::fleet::Fleet;
use crate::load::{self, Plan};
use crate::pace::Pace;
use crate::population::Population;

/// The longest TTL: the first notifications must still be pending after the restart.
const TTL: u32 = 300;
/// The upper bound for creating them, so that the first ones are still alive.
const MADE_WITHIN: Duration = Duration::from_secs(240);
/// The deadline for a prompt after the restart.
const PROMPT_WITHIN: Duration = Duration::from_secs(10);

/// Kills the server and starts it again.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    for _ in 0..bench.scale.repeats {
        for pending in [0, bench.scale.pending] {
            let (server, folder) = bench.fresh_server().await?;
            let account = bench.installation.account_sid();
            let population = Population::enrol(&server, account, bench.scale.entities).await?;
            if pending > 0 {
                let challenges = population.challenge(&server, bench.scale.challenges).await?;
                let requests = challenges.notify(&server, TTL);
                let plan = Plan {
                    connections: bench.connections(),
                    pace: Pace::Count(pending),
                    warm: Duration::ZERO,
                    window: MADE_WITHIN,
                };
                let load = load::run(server.target, &requests, plan, None).await?;
                bench.report.fault_of("restart", "making them", &load);
            }
            server.kill();
            let server = bench.installation.start(folder.path()).await?;
            let mut readings = vec![("ready after ms", server.ready_after.as_secs_f64() * 1e3)];
            if pending > 0 {
                let prompt = first_prompt(&server, &Arc::new(population)).await?;
                readings.push(("connect to first prompt ms", prompt.as_secs_f64() * 1e3));
            }
            bench.report.add("restart", &format!("{pending} pending after kill -9"), &readings);
        }
    }
    Ok(())
}

/// Checks that deliveries are still pending: a device connects and receives its prompt.
async fn first_prompt(
    server: &crate::server::Server,
    population: &Arc<Population>,
) -> Result<Duration> {
    let mut fleet = Fleet::new();
    let begin = Instant::now();
    fleet.connect(server, population, 0..1).await?;
    while fleet.count() == 0 {
        ensure!(begin.elapsed() < PROMPT_WITHIN, "nothing was delivered after the restart");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(begin.elapsed())
}
