//! Connected devices: each holds its stream, acknowledges prompts, and records their arrival.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::ledger::{Sid, sid_after};
use crate::population::Population;
use crate::server::Server;
use crate::socket::{Message, Socket};

/// Devices per source address: a server limits the unauthenticated sockets of an address (20 by default), and a pair
/// of addresses has a limited number of ports.
const ADDRESSES: u8 = 8;
/// Devices of one address that connect at the same time.
const AT_ONCE: usize = 12;
const TRIES: u32 = 5;
const LINKED_WITHIN: Duration = Duration::from_secs(20);

/// Devices on their streams. Dropping it closes their connections.
pub(crate) struct Fleet {
    devices: JoinSet<()>,
    notes: Arc<Records>,
    gates: Gates,
}

/// The places of devices that are connecting, fewer than a server permits per address.
#[derive(Clone)]
pub(crate) struct Gates(Vec<Arc<Semaphore>>);

/// The records of all devices.
#[derive(Default)]
struct Records {
    seen: Mutex<Vec<(Sid, Instant)>>,
    lost: AtomicU64,
    last_loss: Mutex<Option<String>>,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        Self { devices: JoinSet::new(), notes: Arc::default(), gates: Gates::new() }
    }

    /// Connects some of the devices; returns when all are connected.
    pub(crate) async fn connect(
        &mut self,
        server: &Server,
        population: &Arc<Population>,
        which: std::ops::Range<usize>,
    ) -> Result<()> {
        let mut linking = JoinSet::new();
        for number in which {
            let (gates, to) = (self.gates.clone(), server.target.address);
            let population = Arc::clone(population);
            linking.spawn(async move { gates.link(to, &population, number).await });
        }
        while let Some(linked) = linking.join_next().await {
            let socket = linked?.context("a device could not connect")?;
            self.devices.spawn(hold(socket, Arc::clone(&self.notes)));
        }
        self.check_connected()
    }

    /// Returns an error if a device lost its connection.
    pub(crate) fn check_connected(&self) -> Result<()> {
        let lost = self.notes.lost.load(Ordering::Relaxed);
        let why = self.notes.last_loss.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ensure!(lost == 0, "{lost} devices lost their connection: {}", why.unwrap_or_default());
        Ok(())
    }

    /// The number of prompts since they were last taken.
    pub(crate) fn count(&self) -> usize {
        self.notes.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes the prompts that have arrived.
    pub(crate) fn take(&self) -> Vec<(Sid, Instant)> {
        std::mem::take(&mut *self.notes.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until `expected` prompts have arrived and then none for a moment, or none for `patience`.
    pub(crate) async fn settle(&self, expected: usize, patience: Duration) {
        const MOMENT: Duration = Duration::from_millis(200);
        let (mut count, mut since) = (self.count(), Instant::now());
        let begin = since;
        while begin.elapsed() < patience * 5 {
            sleep(Duration::from_millis(20)).await;
            let now = self.count();
            if now != count {
                (count, since) = (now, Instant::now());
            }
            let quiet = since.elapsed();
            if quiet >= patience || (count >= expected && quiet >= MOMENT) {
                return;
            }
        }
    }
}

impl Gates {
    pub(crate) fn new() -> Self {
        Self((0..ADDRESSES).map(|_| Arc::new(Semaphore::new(AT_ONCE))).collect())
    }

    /// Connects a device and authenticates it; tries it again a few times.
    pub(crate) async fn link(
        &self,
        to: SocketAddr,
        population: &Population,
        number: usize,
    ) -> Result<Socket> {
        let gate = number % self.0.len();
        let from = Ipv4Addr::new(127, 0, 0, u8::try_from(gate)? + 1);
        let _permit = self.0[gate].acquire().await?;
        let mut tries = 0;
        loop {
            let linked = timeout(LINKED_WITHIN, link(to, from, population, number)).await;
            tries += 1;
            match linked.context("the server is silent").flatten() {
                Ok(socket) => return Ok(socket),
                Err(error) if tries == TRIES => return Err(error),
                Err(_) => sleep(Duration::from_millis(50) * tries).await,
            }
        }
    }
}

async fn link(
    to: SocketAddr,
    from: Ipv4Addr,
    population: &Population,
    number: usize,
) -> Result<Socket> {
    let device = &population.devices[number];
    let mut socket = Socket::open(to, from, &population.stream_path(device)).await?;
    let token = match socket.next().await? {
        Message::Text(nonce) => population.token(device, Some(nonce))?,
        Message::Closed(code) => bail!("closed with {code} instead of a nonce"),
    };
    socket.send_text(&token).await?;
    match socket.next().await? {
        Message::Text(text) if text.contains(r#""type":"linked""#) => {}
        other => bail!("not linked: {other:?}"),
    }
    Ok(socket)
}

async fn hold(mut socket: Socket, notes: Arc<Records>) {
    let why = loop {
        let sid = match socket.next().await {
            Ok(Message::Text(text)) => sid_after(text.as_bytes(), br#""notification_sid":"NT"#),
            Ok(Message::Closed(code)) => break format!("closed with {code}"),
            Err(error) => break error.to_string(),
        };
        // a device ignores other types of frames
        let Some(sid) = sid else { continue };
        let now = Instant::now();
        notes.seen.lock().unwrap_or_else(PoisonError::into_inner).push((sid, now));
        let ack = format!(r#"{{"type":"ack","notification_sid":"NT{sid:032x}"}}"#);
        if let Err(error) = socket.send_text(&ack).await {
            break error.to_string();
        }
    };
    notes.lost.fetch_add(1, Ordering::Relaxed);
    *notes.last_loss.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
}
