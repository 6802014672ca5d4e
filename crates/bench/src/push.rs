//! `push`: from the request to the acceptance of a push service, over TLS and HTTP/2, with every notification
//! accounted for. The push service is a process of the server's stand-in for Apple.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::time::{sleep, sleep_until};

use crate::bench::Bench;
use crate::calls::each;
use crate::http::form;
use crate::ledger::{Accepted, AcceptedLog};
use crate::load::{self, Load};
use crate::notify::TTL;
use crate::pace::Pace;
use crate::population::{Challenges, Population};
use crate::process::Process;
use crate::server::Server;

const PART: &str = "push";
/// The deadline for the stand-ins' readiness.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// The polling interval for other processes.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The time to wait for pushes: those above a credential's queue wait in the database until their lease runs out,
/// some more than once.
const PATIENCE: Duration = Duration::from_secs(200);

/// The time to wait for the last outcomes to be stored.
const STORED_WITHIN: Duration = Duration::from_secs(30);

/// The metrics that are read.
const TAKEN: &str = r#"countersign_delivery_attempts_total{platform="apn",outcome="accepted"}"#;
const CROWDED: &str = "countersign_delivery_crowded_out_total";

/// A server, its stand-ins, and its requests.
struct Setup {
    server: Server,
    others: Process,
    challenges: Challenges,
    _folder: tempfile::TempDir,
}

/// Measures the maximum rate with one credential, then a slow schedule.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    for _ in 0..bench.scale.repeats {
        let floor = bench.bare_floor(PART).await?;
        let mut setup = set_up(bench).await?;
        measure(bench, &setup, Pace::Closed, "the most", Some(floor)).await?;
        let slow = bench.scale.slow;
        let name = format!("on schedule at {slow} per s");
        measure(bench, &setup, Pace::Open(slow), &name, None).await?;
        setup.others.still_runs().context("the stand-ins")?;
        setup.server.still_runs()?;
    }
    Ok(())
}

async fn set_up(bench: &Bench) -> Result<Setup> {
    let folder = bench.fresh_folder()?;
    let (keys, log) = (folder.path().join("stand-ins"), folder.path().join("stand-ins.log"));
    let mut command = Command::new(&bench.installation.binary);
    command.arg("stand-ins").arg("--folder").arg(&keys);
    let mut others = Process::start(&mut command, &log)?;
    let begin = Instant::now();
    let said = loop {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        if said.contains("Ctrl-C ends") {
            break said;
        }
        others.still_runs().context("the stand-ins")?;
        ensure!(begin.elapsed() < READY_WITHIN, "the stand-ins were not ready in time");
        sleep(POLL_INTERVAL).await;
    };

    let config = keys.join("countersign.toml");
    let more = ["--config".as_ref(), config.as_os_str()];
    let server = bench.installation.start_with(folder.path(), &more).await?;
    let pem = std::fs::read_to_string(keys.join("apns.p8")).context("the stand-in's key")?;
    let credential = credential(&server, &said, &pem).await?;
    let (account, devices) = (bench.installation.account_sid(), bench.scale.entities);
    let population = Population::enrol_apple(&server, account, devices, &credential).await?;
    let count = devices.max(bench.scale.challenges);
    let challenges = population.challenge(&server, count).await?;
    // their automatic pushes arrive first and do not count
    until_taken(&server, count as f64).await?;
    Ok(Setup { server, others, challenges, _folder: folder })
}

/// Creates a credential with the stand-in's key; its ids are in the stand-in's output.
async fn credential(server: &Server, said: &str, pem: &str) -> Result<String> {
    let value = |name: &str| {
        let (_, rest) = said.split_once(&format!("-d {name}=")).context("a value of the key")?;
        rest.split_whitespace().next().context("a value of the key")
    };
    let form = form(&[
        ("Type", "apn"),
        ("PrivateKey", pem),
        ("KeyId", value("KeyId")?),
        ("TeamId", value("TeamId")?),
        ("Topic", value("Topic")?),
    ]);
    let made = each(server.target, vec![server.post("/v1/Credentials", &form)], 201, 1).await?;
    let body: Value = serde_json::from_slice(&made[0].body)?;
    Ok(body["sid"].as_str().context("a SID")?.to_owned())
}

async fn measure(
    bench: &mut Bench,
    setup: &Setup,
    pace: Pace,
    how: &str,
    floor: Option<f64>,
) -> Result<()> {
    let server = &setup.server;
    let accepted = AcceptedLog::default();
    let plan = bench.plan(bench.connections(), pace);
    let requests = setup.challenges.notify(server, TTL);
    let before = server.metrics().await?;
    let from = Instant::now() + plan.warm;
    let window = async {
        sleep_until(from.into()).await;
        let begin = (Instant::now(), server.metrics().await?.of(TAKEN));
        sleep_until((from + plan.window).into()).await;
        let end = (Instant::now(), server.metrics().await?.of(TAKEN));
        let seconds = end.0.duration_since(begin.0).as_secs_f64().max(1e-9);
        anyhow::Ok((end.1 - begin.1) / seconds)
    };
    let load = load::run(server.target, &requests, plan, Some(accepted.observer()));
    let (load, rate) = tokio::join!(load, window);
    let (load, rate, accepted) = (load?, rate?, accepted.take());
    let drained = Instant::now();
    until_taken(server, before.of(TAKEN) + accepted.len() as f64).await?;
    let drained = drained.elapsed();
    let after = server.metrics().await?;
    let lost = lost(setup, &accepted).await?;
    let twice = after.of(TAKEN) - before.of(TAKEN) - (accepted.len() as f64 - lost);
    let crowded = after.of(CROWDED) - before.of(CROWDED);
    record(bench, how, &load, (rate, floor, drained), [lost, twice, crowded]);
    Ok(())
}

fn record(
    bench: &mut Bench,
    how: &str,
    load: &Load,
    (rate, floor, drained): (f64, Option<f64>, Duration),
    [lost, twice, crowded]: [f64; 3],
) {
    let name = format!("{} phones, one credential, {how}", bench.scale.entities);
    let mut readings = vec![("per s", rate)];
    readings.extend(floor.map(|floor| ("x floor", rate / floor.max(1e-9))));
    readings.push(("201 per s", load.per_second()));
    readings.extend(load.latency.quantile_ms(0.5).map(|ms| ("201 p50 ms", ms)));
    readings.push(("all taken after s", drained.as_secs_f64()));
    readings.push(("CPU us", load.usage.server * 1e6 / (load.answered.max(1) as f64)));
    readings.extend(load.usage.disturbances());
    readings.extend([("put aside", crowded), ("lost", lost), ("twice", twice)]);
    bench.report.add(PART, &name, &readings);
    for (what, count) in [("lost", lost), ("twice", twice)] {
        if count > 0.0 {
            bench.report.fault(format!("{PART}: {name}: {count} {what}"));
        }
    }
    bench
        .report
        .note("push: others % holds the stand-in, which takes as much as the server".into());
    bench.report.fault_of(PART, &name, load);
}

/// Waits until the push service has accepted this many, or progress stops.
async fn until_taken(server: &Server, count: f64) -> Result<()> {
    let begin = Instant::now();
    while server.metrics().await?.of(TAKEN) < count && begin.elapsed() < PATIENCE {
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// How many of the accepted notifications the server does not report as sent. It counts an attempt before it stores the
/// outcome, so the last outcomes may follow.
async fn lost(setup: &Setup, accepted: &[Accepted]) -> Result<f64> {
    let all = &setup.challenges.all;
    let request = |accepted: &Accepted| {
        let at = usize::try_from(accepted.request).unwrap_or(0) % all.len();
        setup.server.get(&format!("{}/Notifications/NT{:032x}", all[at].0, accepted.sid))
    };
    let mut unsent: Vec<_> = accepted.iter().map(request).collect();
    let begin = Instant::now();
    loop {
        let replies = each(setup.server.target, unsent.clone(), 200, 16).await?;
        let mut still = Vec::new();
        for (wire, reply) in unsent.into_iter().zip(&replies) {
            let body: Value = serde_json::from_slice(&reply.body)?;
            if body["status"] != "sent" {
                still.push(wire);
            }
        }
        unsent = still;
        if unsent.is_empty() || begin.elapsed() > STORED_WITHIN {
            return Ok(unsent.len() as f64);
        }
        sleep(POLL_INTERVAL).await;
    }
}
