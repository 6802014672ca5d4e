//! The devices of a morning: each shows prompts on its stream, connects again now and then, and answers when its person does.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use countersign_phone::Verdict;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout_at};

use crate::fleet::Gates;
use crate::http::{Connection, basic, form, get, post};
use crate::ledger::{Sid, sid_after};
use crate::logins::{Answer, Logins};
use crate::people::{Decision, People};
use crate::population::Population;
use crate::socket::{Message, Socket};

/// Connections that devices answer through.
const ANSWERERS: usize = 32;
/// A connection that was not used for so long is opened again: the server closes idle ones.
const IDLE: Duration = Duration::from_secs(2);
/// The code of a challenge that has expired.
const EXPIRED: &[u8] = b"\"code\":60323";

/// Devices at work. Dropping it closes their connections.
pub(crate) struct Phones {
    tasks: JoinSet<Result<Infallible>>,
    street: Arc<Street>,
}

/// The values that all devices share.
struct Street {
    server: SocketAddr,
    population: Arc<Population>,
    people: People,
    logins: Arc<Logins>,
    gates: Gates,
    taps: UnboundedSender<Tap>,
    connected: Semaphore,
    reconnections: AtomicU64,
    breaks: AtomicU64,
    last_break: Mutex<Option<String>>,
}

/// A person's answer.
struct Tap {
    device: usize,
    challenge: Sid,
    verdict: Verdict,
    at: Instant,
}

/// One of the connections that devices answer through.
struct Answerer {
    street: Arc<Street>,
    taps: Arc<tokio::sync::Mutex<UnboundedReceiver<Tap>>>,
}

impl Phones {
    /// Connects the device of everybody who is not away; returns when all are connected.
    pub(crate) async fn connect(
        server: SocketAddr,
        population: &Arc<Population>,
        people: People,
        logins: &Arc<Logins>,
    ) -> Result<Self> {
        // Its length is bounded by the number of logins.
        let (taps, tapped) = unbounded_channel();
        let street = Arc::new(Street {
            server,
            population: Arc::clone(population),
            people,
            logins: Arc::clone(logins),
            gates: Gates::new(),
            taps,
            connected: Semaphore::new(0),
            reconnections: AtomicU64::new(0),
            breaks: AtomicU64::new(0),
            last_break: Mutex::new(None),
        });
        let mut tasks = JoinSet::new();
        let tapped = Arc::new(tokio::sync::Mutex::new(tapped));
        for _ in 0..ANSWERERS {
            let (street, taps) = (Arc::clone(&street), Arc::clone(&tapped));
            tasks.spawn(Answerer { street, taps }.work());
        }
        let here = (0..population.devices.len()).filter(|person| !People::is_away(*person));
        let mut expected = 0;
        for device in here {
            tasks.spawn(Arc::clone(&street).hold(device));
            expected += 1;
        }
        tokio::select! {
            permits = street.connected.acquire_many(expected) => permits.context("a device")?.forget(),
            ended = tasks.join_next() => {
                let Err(error) = ended.context("no device")?.context("a task")?;
                return Err(error.context("a device"));
            }
        }
        Ok(Self { tasks, street })
    }

    /// Connections that devices have made again, and those that broke.
    pub(crate) fn reconnections(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.street.reconnections), count(&self.street.breaks))
    }

    /// Why the last connection broke.
    pub(crate) fn last_break(&self) -> Option<String> {
        self.street.last_break.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns an error if a device could not connect again.
    pub(crate) fn still_work(&mut self) -> Result<()> {
        let Some(ended) = self.tasks.try_join_next() else { return Ok(()) };
        let Err(error) = ended?;
        Err(error.context("a device"))
    }
}

impl Street {
    /// Keeps a device connected, with a new connection now and then.
    async fn hold(self: Arc<Self>, device: usize) -> Result<Infallible> {
        let mut prompts = 0;
        for connection in 0.. {
            let mut socket = self.gates.link(self.server, &self.population, device).await?;
            self.connected.add_permits(usize::from(connection == 0));
            let until = Instant::now() + self.people.connected_for(device, connection);
            let shown = self.show(device, &mut socket, &mut prompts);
            // A device connects again, whatever broke its connection.
            if let Ok(Err(error)) = timeout_at(until.into(), shown).await {
                self.breaks.fetch_add(1, Ordering::Relaxed);
                let mut last = self.last_break.lock().unwrap_or_else(PoisonError::into_inner);
                *last = Some(format!("{error:#}"));
            } else {
                self.reconnections.fetch_add(1, Ordering::Relaxed);
            }
        }
        bail!("no more connections")
    }

    /// Shows the prompts of one connection, until it breaks. It may be dropped at any await.
    async fn show(
        &self,
        device: usize,
        socket: &mut Socket,
        prompts: &mut u64,
    ) -> Result<Infallible> {
        loop {
            let text = match socket.next().await? {
                Message::Text(text) => text.as_bytes(),
                Message::Closed(code) => bail!("closed with {code}"),
            };
            let sids = sid_after(text, br#""notification_sid":"NT"#)
                .zip(sid_after(text, br#""challenge_sid":"YC"#));
            let Some((notification, challenge)) = sids else { continue };
            let now = Instant::now();
            // A prompt comes again if the connection broke before the server read its ack.
            if self.logins.shown(challenge, now) {
                match self.people.decide(device, *prompts) {
                    Decision::Ignore => {}
                    Decision::Answer { verdict, after } => {
                        self.think(Tap { device, challenge, verdict, at: now + after });
                    }
                }
                *prompts += 1;
            }
            let ack = format!(r#"{{"type":"ack","notification_sid":"NT{notification:032x}"}}"#);
            socket.send_text(&ack).await?;
        }
    }

    /// Hands the answer over when the person gives it.
    fn think(&self, tap: Tap) {
        let taps = self.taps.clone();
        tokio::spawn(async move {
            sleep_until(tap.at.into()).await;
            // The measurement may have ended.
            let _ = taps.send(tap);
        });
    }
}

impl Answerer {
    async fn work(self) -> Result<Infallible> {
        let Street { server, logins, .. } = &*self.street;
        let mut connection = Connection::open(*server).await?;
        let mut used = Instant::now();
        loop {
            let tap = self.taps.lock().await.recv().await.context("no device")?;
            if used.elapsed() > IDLE {
                connection = Connection::open(*server).await?;
            }
            logins.tapped(tap.challenge, tap.at);
            let answer = match self.answer(&mut connection, &tap).await {
                Ok(answer) => answer,
                Err(error) => {
                    logins.failed(format!("{error:#}"));
                    connection = Connection::open(*server).await?;
                    Answer::Unknown
                }
            };
            logins.answered(tap.challenge, answer);
            used = Instant::now();
        }
    }

    /// Reads the challenge and answers it, as a device does.
    async fn answer(&self, connection: &mut Connection, tap: &Tap) -> Result<Answer> {
        let Street { server, population, .. } = &*self.street;
        let device = &population.devices[tap.device];
        let path = format!("{}/YC{:032x}", population.challenges_path(device), tap.challenge);
        let token = basic("token", &population.token(device, None)?);
        let read = connection.call(&get(*server, &path, &token)).await?;
        if read.status != 200 {
            bail!("a challenge was not read: {}", read.text());
        }
        let payload = population.signed_answer(read.head, read.body, tap.verdict)?;
        let answer = post(*server, &path, &token, &form(&[("AuthPayload", &payload)]));
        let response = connection.call(&answer).await?;
        let has_expired = || response.body.windows(EXPIRED.len()).any(|part| part == EXPIRED);
        match response.status {
            200 => Ok(Answer::Accepted(tap.verdict)),
            403 if has_expired() => Ok(Answer::TooLate),
            _ => bail!("an answer was refused: {}", response.text()),
        }
    }
}
