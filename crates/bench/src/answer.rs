//! `answer`: the rate at which signed answers are verified and committed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::bench::Bench;
use crate::load::{self, Plan};
use crate::pace::Pace;
use crate::population::Population;

/// The upper bound of a run.
const DURATION_MAX: Duration = Duration::from_secs(120);

/// Answers every challenge once; the answers are signed before the measurement.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    const PART: &str = "answer";
    for _ in 0..bench.scale.repeats {
        let floor = bench.bare_floor(PART).await?;
        let (mut server, _folder) = bench.fresh_server().await?;
        let account = bench.installation.account_sid();
        let population = Population::enrol(&server, account, bench.scale.entities).await?;
        let challenges = population.challenge(&server, bench.scale.answers).await?;
        let requests = population.answers(&server, &challenges).await?;
        let plan = Plan {
            connections: bench.connections().min(requests.wire.len()),
            pace: Pace::Count(requests.wire.len() as u64),
            warm: Duration::ZERO,
            window: DURATION_MAX,
        };
        let load = load::run(server.target, &Arc::new(requests), plan, None).await?;
        let name = format!("signed answers, {} connections", plan.connections);
        bench.report.add_load(PART, &name, &load, Some(floor), &[]);
        server.still_runs()?;
    }
    Ok(())
}
