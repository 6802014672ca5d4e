//! `morning`: people log in, as on a working day. An application asks each on their device at a steady rate; nine in ten answer
//! within 20 s, some deny, some are away, devices reconnect, and a webhook tells the application.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use countersign_phone::Verdict;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::bench::Bench;
use crate::calls::each;
use crate::fleet::link;
use crate::http::{Connection, basic, form, get, post};
use crate::ledger::{Sid, sid_after};
use crate::load::{self, Requests};
use crate::logins::{Logins, Outcome};
use crate::pace::Pace;
use crate::population::Population;
use crate::server::Server;
use crate::socket::Message;
use crate::webhook::Ear;

const PART: &str = "morning";
/// Of a hundred people: those who are away, without a connected device.
const AWAY: usize = 5;
/// Of a hundred answers: denials.
const DENIALS: u64 = 2;
/// Of a hundred answers: those after which the device connects again.
const RECONNECTIONS: u64 = 10;
/// The mean time to answer: nine in ten within 20 s, if it is exponential.
const THOUGHT: Duration = Duration::from_millis(8_686);
/// The longest time to answer.
const THOUGHT_MAX: Duration = Duration::from_secs(60);
/// Connections that devices answer through.
const ANSWERERS: usize = 32;
/// A connection that was not used for so long is opened again: the server closes idle ones.
const IDLE: Duration = Duration::from_secs(2);
/// Devices that connect at the same time, below the server's limit per address.
const CONNECTING: usize = 12;
/// Source addresses of the devices.
const ADDRESSES: usize = 8;
/// The time to wait for the webhooks after the last answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The people, their devices, and what came of their logins.
struct Stage {
    server: Server,
    people: Arc<Population>,
    logins: Arc<Logins>,
    ear: Ear,
    devices: JoinSet<Result<()>>,
    _folder: tempfile::TempDir,
}

/// A device that is to answer.
struct Tap {
    device: usize,
    challenge: Sid,
}

/// For each rate: one morning.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    for _ in 0..bench.scale.repeats {
        for rate in bench.scale.logins.clone() {
            let mut stage = set_up(bench).await?;
            measure(bench, &stage, rate).await?;
            if let Some(ended) = stage.devices.try_join_next() {
                bench.report.fault(format!("{PART}: a device ended: {ended:?}"));
            }
            stage.server.still_runs()?;
        }
    }
    Ok(())
}

async fn set_up(bench: &Bench) -> Result<Stage> {
    let folder = bench.fresh_folder()?;
    let installation = bench.installation.with(bench.backing.variables());
    let allowed = ["--set".as_ref(), "outgoing.allow=127.0.0.0/8".as_ref()];
    let server = installation.start_with(folder.path(), &allowed).await?;
    let (account, count) = (installation.account_sid(), bench.scale.entities);
    let people = Arc::new(Population::enrol(&server, account, count).await?);
    let logins = Arc::<Logins>::default();
    let ear = Ear::start(Arc::clone(&logins)).await?;
    let webhook = form(&[
        ("FriendlyName", "bench"),
        ("WebhookUrl", &ear.url),
        ("EventTypes", "challenge.approved"),
        ("EventTypes", "challenge.denied"),
    ]);
    let webhook = server.post(&format!("{}/Webhooks", people.service_path()), &webhook);
    each(server.target, vec![webhook], 201, 1).await.context("the webhook")?;
    let devices = connect(&server, &people, &logins).await?;
    Ok(Stage { server, people, logins, ear, devices, _folder: folder })
}

/// Connects the device of everybody who is not away, and lets it answer.
async fn connect(
    server: &Server,
    people: &Arc<Population>,
    logins: &Arc<Logins>,
) -> Result<JoinSet<Result<()>>> {
    let (taps, tapped) = unbounded_channel();
    let mut tasks = JoinSet::new();
    let tapped = Arc::new(Mutex::new(tapped));
    for _ in 0..ANSWERERS {
        let answerer = Answerer {
            to: server.target.address,
            people: Arc::clone(people),
            logins: Arc::clone(logins),
            taps: Arc::clone(&tapped),
        };
        tasks.spawn(answerer.work());
    }
    let gates: Vec<_> = (0..ADDRESSES).map(|_| Arc::new(Semaphore::new(CONNECTING))).collect();
    let here = people.devices.len() * (100 - AWAY) / 100;
    let linked = Arc::new(Semaphore::new(0));
    for number in 0..here {
        let device = Device {
            to: server.target.address,
            number,
            gate: Arc::clone(&gates[number % ADDRESSES]),
            people: Arc::clone(people),
            logins: Arc::clone(logins),
            taps: taps.clone(),
        };
        tasks.spawn(device.work(Arc::clone(&linked)));
    }
    for _ in 0..here {
        tokio::select! {
            permit = linked.acquire() => permit.context("a device")?.forget(),
            ended = tasks.join_next() => ended.context("no device")???,
        }
    }
    Ok(tasks)
}

/// A person's device on its stream.
struct Device {
    to: std::net::SocketAddr,
    number: usize,
    gate: Arc<Semaphore>,
    people: Arc<Population>,
    logins: Arc<Logins>,
    taps: UnboundedSender<Tap>,
}

impl Device {
    /// Stays connected, with a new connection now and then. Adds a permit when first connected.
    async fn work(self, linked: Arc<Semaphore>) -> Result<()> {
        let from = Ipv4Addr::new(127, 0, 0, u8::try_from(self.number % ADDRESSES)? + 1);
        let mut is_first = true;
        loop {
            let permit = self.gate.acquire().await?;
            let mut socket = link(self.to, from, &self.people, self.number).await?;
            drop(permit);
            linked.add_permits(usize::from(std::mem::take(&mut is_first)));
            loop {
                let text = match socket.next().await? {
                    Message::Text(text) => text.as_bytes(),
                    Message::Closed(code) => anyhow::bail!("a device was closed with {code}"),
                };
                let sids = sid_after(text, br#""notification_sid":"NT"#)
                    .zip(sid_after(text, br#""challenge_sid":"YC"#));
                let Some((notification, challenge)) = sids else { continue };
                let is_new = self.logins.shown(challenge, Instant::now());
                let ack = format!(r#"{{"type":"ack","notification_sid":"NT{notification:032x}"}}"#);
                socket.send_text(&ack).await?;
                // A prompt comes again if the connection broke before its ack was read.
                if !is_new {
                    continue;
                }
                self.think(challenge);
                if draw(challenge, 1) % 100 < RECONNECTIONS {
                    break;
                }
            }
        }
    }

    /// Answers after some time.
    fn think(&self, challenge: Sid) {
        let (taps, device) = (self.taps.clone(), self.number);
        tokio::spawn(async move {
            sleep(thought(challenge)).await;
            // The measurement may have ended.
            let _ = taps.send(Tap { device, challenge });
        });
    }
}

/// One of the connections that devices answer through.
struct Answerer {
    to: std::net::SocketAddr,
    people: Arc<Population>,
    logins: Arc<Logins>,
    taps: Arc<Mutex<UnboundedReceiver<Tap>>>,
}

impl Answerer {
    async fn work(self) -> Result<()> {
        let mut connection = Connection::open(self.to).await?;
        let mut used = Instant::now();
        loop {
            let tap = self.taps.lock().await.recv().await;
            let Some(tap) = tap else { return Ok(()) };
            if used.elapsed() > IDLE {
                connection = Connection::open(self.to).await?;
            }
            used = Instant::now();
            self.answer(&mut connection, &tap).await?;
        }
    }

    /// Reads the challenge and answers it, as a device does.
    async fn answer(&self, connection: &mut Connection, tap: &Tap) -> Result<()> {
        let Tap { device, challenge } = *tap;
        let device = &self.people.devices[device];
        let path = format!("{}/YC{challenge:032x}", self.people.challenges_path(device));
        let token = basic("token", &self.people.token(device, None)?);
        self.logins.answered(challenge, Instant::now());
        let read = connection.call(&get(self.to, &path, &token)).await?;
        if read.status != 200 {
            self.logins.failed(read.text());
            return Ok(());
        }
        let is_denial = draw(challenge, 2) % 100 < DENIALS;
        let verdict = if is_denial { Verdict::Denied } else { Verdict::Approved };
        let payload = self.people.signed_answer(read.head, read.body, verdict)?;
        let answer = post(self.to, &path, &token, &form(&[("AuthPayload", &payload)]));
        let response = connection.call(&answer).await?;
        if response.status != 200 {
            self.logins.failed(response.text());
        }
        Ok(())
    }
}

/// A number that depends on the challenge and the salt only.
fn draw(challenge: Sid, salt: u64) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((challenge, salt))
}

/// The time that the person takes to answer, exponential.
fn thought(challenge: Sid) -> Duration {
    let share = (draw(challenge, 3) >> 11) as f64 / (1_u64 << 53) as f64;
    THOUGHT.mul_f64(-(1.0 - share).ln()).min(THOUGHT_MAX)
}

async fn measure(bench: &mut Bench, stage: &Stage, rate: f64) -> Result<()> {
    let Stage { server, people, logins, .. } = stage;
    let wire = people.devices.iter().map(|device| people.question(server, device)).collect();
    let requests = Arc::new(Requests { wire, expected: 201, may_shed: false });
    let observer = {
        let (logins, people) = (Arc::clone(logins), people.devices.len());
        let here = people * (100 - AWAY) / 100;
        Arc::new(move |number: u64, start: Instant, answer: &crate::http::Response<'_>| {
            let person = usize::try_from(number).unwrap_or(0) % people;
            if let Some(challenge) = sid_after(answer.body, br#"{"sid":"YC"#) {
                logins.asked(challenge, start, person < here);
            }
        }) as load::Observer
    };
    let plan = bench.plan(bench.connections(), Pace::Open(rate));
    let load = load::run(server.target, &requests, plan, Some(observer)).await?;
    let told = logins.all_told();
    // Ends by itself when all were told.
    let _ = tokio::time::timeout(THOUGHT_MAX + PATIENCE, told).await;

    let name = format!("{rate} logins per s");
    let outcome = logins.outcome(load.window.0);
    bench.report.fault_of(PART, &name, &load);
    let mut readings = vec![("per s", load.per_second())];
    readings.extend(load.latency.quantile_ms(0.5).map(|ms| ("201 p50 ms", ms)));
    readings.extend(outcome.readings());
    readings.push(("CPU us", load.usage.server * 1e6 / (load.answered.max(1) as f64)));
    readings.extend(load.usage.disturbances());
    bench.report.add(PART, &name, &readings);
    account_for(bench, &name, &outcome, stage.ear.repeated());
    Ok(())
}

/// A login that was not shown or not told is a fault.
fn account_for(bench: &mut Bench, name: &str, outcome: &Outcome, repeated: u64) {
    for (count, what) in [
        (outcome.not_shown, "not shown"),
        (outcome.not_told, "shown without an event"),
        (repeated, "told again"),
    ] {
        if count > 0 {
            bench.report.fault(format!("{PART}: {name}: {count} {what}"));
        }
    }
    if let Some(failure) = &outcome.failure {
        bench.report.fault(format!("{PART}: {name}: an answer failed: {failure}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_in_ten_answer_within_20_s() {
        let thoughts: Vec<_> = (0..10_000_u128).map(thought).collect();
        let quick = thoughts.iter().filter(|thought| **thought < Duration::from_secs(20)).count();
        assert!((8_900..9_100).contains(&quick), "{quick}");
        assert!(thoughts.iter().all(|thought| *thought <= THOUGHT_MAX));
    }
}
