//! `bomber`: somebody asks one person ten times a second. The person is asked five times, and prompts to everybody else arrive
//! as before.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::bench::Bench;
use crate::calls::each;
use crate::deliver::{self, Setup};
use crate::fleet::Fleet;
use crate::http::{Connection, form};
use crate::pace::Pace;
use crate::population::Population;

const PART: &str = "bomber";
/// Between two requests of the bomber.
const PERIOD: Duration = Duration::from_millis(100);
/// The limit of challenges in a row without an approval, as by default.
const IN_A_ROW: usize = 5;

/// The responses to the bomber's requests.
#[derive(Default)]
struct Bombs {
    created: usize,
    refused: usize,
    /// The first of any other kind.
    other: Option<String>,
}

/// Measures deliveries on a slow schedule, alone and beside a bomber.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let devices = bench.scale.devices.last().copied().unwrap_or(1);
    let slow = Pace::Open(bench.scale.slow);
    for _ in 0..bench.scale.repeats {
        let (mut setup, _folder) = deliver::set_up(bench, PART, devices).await?;
        deliver::measure(bench, &setup, slow, "alone", None).await?;
        let victim = victim(bench, &setup).await?;
        let mut device = Fleet::new();
        device.connect(&setup.server, &victim, 0..1).await?;

        let stop = CancellationToken::new();
        let bombs = throw(&setup, &victim, stop.clone());
        deliver::measure(bench, &setup, slow, "beside a bomber at 10 per s", None).await?;
        stop.cancel();
        account_for(bench, &bombs.await.context("the bomber")??, device.count());
        setup.server.still_runs()?;
    }
    Ok(())
}

/// A person in a service with the default limit, which the other service has lifted.
async fn victim(bench: &Bench, setup: &Setup) -> Result<Arc<Population>> {
    let server = &setup.server;
    let victim = Population::enrol(server, bench.installation.account_sid(), 1).await?;
    let limit = form(&[("InARowMax", &IN_A_ROW.to_string())]);
    let limit = server.post(&format!("{}/Protection", victim.service_path()), &limit);
    each(server.target, vec![limit], 200, 1).await.context("the limit")?;
    Ok(Arc::new(victim))
}

/// Asks the person again and again until told to stop.
fn throw(setup: &Setup, victim: &Population, stop: CancellationToken) -> JoinHandle<Result<Bombs>> {
    let bomb = victim.question(&setup.server, &victim.devices[0]);
    let to = setup.server.target.address;
    tokio::spawn(async move {
        let (mut bombs, mut connection) = (Bombs::default(), Connection::open(to).await?);
        let mut period = interval(PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(period.tick()).await.is_some() {
            let response = connection.call(&bomb).await?;
            match response.status {
                201 => bombs.created += 1,
                429 => bombs.refused += 1,
                _ => _ = bombs.other.get_or_insert(response.text()),
            }
        }
        Ok(bombs)
    })
}

/// Adds the counts. More prompts than the limit are a fault, as is an unexpected response.
fn account_for(bench: &mut Bench, bombs: &Bombs, prompts: usize) {
    let counts = [
        ("created", bombs.created as f64),
        ("refused", bombs.refused as f64),
        ("prompts", prompts as f64),
    ];
    bench.report.add(PART, "the bomber", &counts);
    if bombs.created > IN_A_ROW || prompts > IN_A_ROW {
        bench.report.fault(format!("{PART}: {prompts} prompts of {} challenges", bombs.created));
    }
    if let Some(other) = &bombs.other {
        bench.report.fault(format!("{PART}: {other}"));
    }
}
