//! `restart`: how soon a server that lost its power is back, with nothing and with much still to be delivered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::bench::Bench;
use crate::fleet::Fleet;
use crate::load::{self, Plan};
use crate::pace::Pace;
use crate::population::Population;

/// The longest TTL there is: what was made first must still be pending after the restart.
const TTL: u32 = 300;
/// A bound on making them; leaves the first of them some time to live.
const MADE_WITHIN: Duration = Duration::from_secs(240);
/// After the restart a device must get its prompt.
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
                    pace: Pace::Times(pending),
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

/// That what was pending still is: a device connects and is told.
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
