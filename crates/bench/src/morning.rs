//! `morning`: people log in, as on a working day. An application asks each on their device; most approve within seconds, some deny,
//! some are away, devices reconnect, an operator looks on, and a webhook tells the application how each login ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use countersign_phone::system_time;
use serde_json::Value;
use tokio::time::{interval, sleep, timeout};

use crate::bench::{Bench, MorningScale};
use crate::calls::each;
use crate::http::{Response, form};
use crate::ledger::sid_after;
use crate::load::{self, Load, Observer, Plan, Requests};
use crate::logins::{Asked, Ending, Logins, Outcome};
use crate::machine::sockets_max;
use crate::onlooker::Onlooker;
use crate::pace::{Pace, arrivals};
use crate::people::People;
use crate::phones::Phones;
use crate::population::Population;
use crate::report::say;
use crate::server::Server;
use crate::webhook::{Bound, Ear, Keys, secret_of};

const PART: &str = "morning";
const COUNTS: &str = "morning, logins";
/// Sockets of this process that are not streams of devices.
const OTHER_SOCKETS: usize = 200;
/// The time to wait for the webhooks after the end of the last challenge.
const PATIENCE: Duration = Duration::from_secs(60);
/// An event that came twice would come within this time after all were told.
const QUIET: Duration = Duration::from_secs(1);
/// Connections that read the endings from the API, and the readings of one round.
const READERS: usize = 16;
const READ_AT_ONCE: usize = 2_000;
/// The interval of progress.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// The people, their devices, and what came of their logins.
struct Stage {
    server: Server,
    population: Arc<Population>,
    logins: Arc<Logins>,
    ear: Ear,
    phones: Phones,
    onlooker: Onlooker,
    _folder: tempfile::TempDir,
}

/// For each rate: one morning.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    for _ in 0..bench.scale.repeats {
        for rate in bench.scale.morning.logins.clone() {
            let name = format!("{rate} per s");
            let mut stage = set_up(bench, &name).await?;
            measure(bench, &mut stage, rate, &name).await?;
            stage.phones.still_work()?;
            stage.server.still_runs()?;
        }
    }
    Ok(())
}

async fn set_up(bench: &mut Bench, name: &str) -> Result<Stage> {
    let MorningScale { people, seed, lifetime, .. } = bench.scale.morning;
    let most = sockets_max().saturating_sub(OTHER_SOCKETS);
    if people > most {
        bench
            .report
            .note(format!("the limit of open files (ulimit -n) bounds the people to {most}"));
    }
    let people = people.min(most);
    let folder = bench.fresh_folder()?;
    let installation = bench.installation.with(bench.backing.variables());
    let allowed = ["--set".as_ref(), "outgoing.allow=127.0.0.0/8".as_ref()];
    let server = installation.start_with(folder.path(), &allowed).await?;
    say(&format!("{PART}: {name}: {people} people enrol"));
    let population = Population::enrol(&server, installation.account_sid(), people).await?;
    let (population, logins) = (Arc::new(population), Arc::<Logins>::default());
    let ear = listen(&server, &population, installation.auth_token(), &logins).await?;
    say(&format!("{PART}: {name}: their devices connect"));
    let behaviour = People::new(seed, lifetime);
    let phones = Phones::connect(server.target.address, &population, behaviour, &logins).await?;
    let onlooker = Onlooker::open(bench, &server).await.context("the console")?;
    Ok(Stage { server, population, logins, ear, phones, onlooker, _folder: folder })
}

/// Creates the webhook, and listens to it.
async fn listen(
    server: &Server,
    population: &Population,
    auth_token: &str,
    logins: &Arc<Logins>,
) -> Result<Ear> {
    let bound = Bound::new().await?;
    let webhook = form(&[
        ("FriendlyName", "bench"),
        ("WebhookUrl", &bound.url),
        ("EventTypes", "challenge.approved"),
        ("EventTypes", "challenge.denied"),
        ("EventTypes", "challenge.expired"),
    ]);
    let webhooks = format!("{}/Webhooks", population.service_path());
    let created = each(server.target, vec![server.post(&webhooks, &webhook)], 201, 1).await;
    let created: Value = serde_json::from_slice(&created.context("the webhook")?[0].body)?;
    let sid = created["sid"].as_str().context("a webhook without a SID")?;
    let secret = server.get(&format!("{webhooks}/{sid}/Secret"));
    let secret = each(server.target, vec![secret], 200, 1).await.context("its secret")?;
    let keys = Keys::new(auth_token, &secret_of(&secret[0].body)?);
    Ok(bound.serve(keys, Arc::clone(logins)))
}

/// Lets people log in, and waits until every login has ended.
async fn measure(bench: &mut Bench, stage: &mut Stage, rate: f64, name: &str) -> Result<()> {
    let MorningScale { seed, window, lifetime, .. } = bench.scale.morning;
    // After a quarter of a challenge's life most answers have begun to arrive.
    let warm = lifetime / 4;
    // A connection that is used less than once per second may be idle for too long.
    let used = (1..=bench.connections()).take_while(|count| *count as f64 <= rate);
    let connections = used.last().unwrap_or(1);
    let plan = Plan { connections, pace: Pace::Random { rate, seed }, warm, window };
    let starts = arrivals(rate, seed, warm + window);
    let (requests, observer) = questions(stage, &starts, lifetime).await?;

    let load = load::run(stage.server.target, &requests, plan, Some(observer));
    let load = tokio::select! {
        load = load => load?,
        () = progress(&stage.logins, name) => unreachable!("it has no end"),
    };
    say(&format!("{PART}: {name}: the last challenges end"));
    // Logins that were not told in time are counted below.
    let _ = timeout(lifetime + PATIENCE, stage.logins.all_told()).await;
    sleep(QUIET).await;
    read_endings(stage).await?;

    let outcome = stage.logins.outcome(load.window.0);
    report(bench, &load, &outcome, name);
    account_for(bench, stage, &load, &outcome, name)
}

/// The requests that ask people in turn, each at its time, and the observer of their responses.
async fn questions(
    stage: &Stage,
    starts: &[Duration],
    lifetime: Duration,
) -> Result<(Arc<Requests>, Observer)> {
    let Stage { server, population, logins, .. } = stage;
    let (begin, wall) = next_second().await;
    let (mut wire, mut ends) = (Vec::with_capacity(starts.len()), Vec::with_capacity(starts.len()));
    for (start, device) in starts.iter().zip(population.devices.iter().cycle()) {
        // Dates of the API are whole seconds.
        let life = (*start + lifetime).as_secs() + 1;
        let end = jiff::Timestamp::from_second(wall + i64::try_from(life)?)?.to_string();
        wire.push(population.question_until(server, device, &end));
        ends.push(begin + Duration::from_secs(life));
    }
    let (logins, people) = (Arc::clone(logins), population.devices.len());
    let observer = move |number: u64, start: Instant, response: &Response<'_>| {
        let number = usize::try_from(number).unwrap_or(0);
        let person = number % people;
        if let Some(challenge) = sid_after(response.body, br#"{"sid":"YC"#) {
            let (end, is_away) = (ends[number], People::is_away(person));
            logins.asked(challenge, Asked { person, start, end, is_away });
        }
    };
    let requests = Requests { wire, expected: 201, may_shed: false };
    Ok((Arc::new(requests), Arc::new(observer)))
}

/// Waits for the next full second of the wall clock; returns it with its instant.
async fn next_second() -> (Instant, i64) {
    let before = system_time();
    while system_time() == before {
        sleep(Duration::from_millis(1)).await;
    }
    (Instant::now(), system_time())
}

/// Says how many have logged in, again and again.
async fn progress(logins: &Logins, name: &str) {
    let mut period = interval(SAY_EVERY);
    loop {
        period.tick().await;
        let (asked, open) = logins.count();
        say(&format!("{PART}: {name}: {asked} asked, {open} open"));
    }
}

/// Reads from the API how each login ended.
async fn read_endings(stage: &Stage) -> Result<()> {
    let Stage { server, population, logins, .. } = stage;
    for some in logins.challenges().chunks(READ_AT_ONCE) {
        let wire = some.iter().map(|(challenge, person)| {
            let path = population.challenges_path(&population.devices[*person]);
            server.get(&format!("{path}/YC{challenge:032x}"))
        });
        let replies = each(server.target, wire.collect(), 200, READERS).await?;
        for ((challenge, _), reply) in some.iter().zip(&replies) {
            let body: Value = serde_json::from_slice(&reply.body)?;
            logins.stored(*challenge, body["status"].as_str().and_then(Ending::named));
        }
    }
    Ok(())
}

/// Adds the latencies.
fn report(bench: &mut Bench, load: &Load, outcome: &Outcome, name: &str) {
    let rows = [
        ("request to prompt", &outcome.shown),
        ("answer to webhook", &outcome.told),
        ("both", &outcome.both),
        ("request to 201", &load.latency),
        ("expiry to webhook", &outcome.expiry),
    ];
    for (what, histogram) in rows {
        let mut readings = vec![("number", histogram.count() as f64)];
        let columns = [("p50 ms", 0.5), ("p99 ms", 0.99), ("p99.9 ms", 0.999), ("max ms", 1.0)];
        for (column, share) in columns {
            readings.extend(histogram.quantile_ms(share).map(|ms| (column, ms)));
        }
        bench.report.add(PART, &format!("{name}, {what}"), &readings);
    }
}

/// Adds the counts. A login that was not told, told twice or told wrong is a fault.
fn account_for(
    bench: &mut Bench,
    stage: &mut Stage,
    load: &Load,
    outcome: &Outcome,
    name: &str,
) -> Result<()> {
    let seen = stage.onlooker.seen().context("the console")?;
    let (reconnected, broken) = stage.phones.reconnections();
    let Outcome { approved, denied, expired, too_late, again, .. } = *outcome;
    let mut readings: Vec<_> = [
        ("approved", approved),
        ("denied", denied),
        ("expired", expired),
        ("answered too late", too_late),
        ("told again", again),
        ("reconnected", reconnected),
        ("broken", broken),
        ("timeline events", seen.events),
        ("overview loads", seen.loads),
    ]
    .map(|(column, count)| (column, count as f64))
    .into();
    readings.push(("slowest ms", seen.slowest.as_secs_f64() * 1e3));
    readings.push(("per s", load.per_second()));
    readings.push(("CPU us", load.usage.server * 1e6 / (load.answered.max(1) as f64)));
    readings.extend(load.usage.disturbances());
    bench.report.add(COUNTS, name, &readings);
    if let Some(why) = stage.phones.last_break() {
        bench.report.note(format!("{PART}: {name}: the last connection that broke: {why}"));
    }

    let is_judged = bench.scale.is_judged;
    let rejected = (stage.ear.rejected(), "calls of the webhook with a wrong signature or content");
    for (count, what) in outcome.faults.named(is_judged).into_iter().chain([rejected]) {
        if count > 0 {
            bench.report.fault(format!("{PART}: {name}: {count} {what}"));
        }
    }
    if let Some(failure) = &outcome.failure {
        bench.report.fault(format!("{PART}: {name}: an answer failed: {failure}"));
    }
    if seen.events == 0 || seen.loads == 0 {
        bench.report.fault(format!("{PART}: {name}: the console has shown nothing: {seen:?}"));
    }
    bench.report.fault_of(PART, name, load);
    Ok(())
}
