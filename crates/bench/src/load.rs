//! Load: many connections that ask, each on a task of its own, and what came of it.
//!
//! Server and generator share the machine, so the generator is kept cheap: requests are made in advance, one thread
//! serves all connections, and an answer costs a look at its status and its length.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::http::{Answer, Connection};
use crate::machine::{Meter, Usage};
use crate::pace::{Pace, Turns};
use crate::stats::Histogram;

/// A server that is silent for so long after the end of a run is not waited for.
const GRACE: Duration = Duration::from_secs(20);
/// How often connections may break in one run before it is given up.
const BREAKS: u64 = 100;

/// Who is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Its process, whose processor time is measured.
    pub(crate) pid: u32,
}

/// What is asked: each in turn, then from the start again.
pub(crate) struct Requests {
    pub(crate) wire: Vec<Vec<u8>>,
    /// The status that counts as an answer.
    pub(crate) expected: u16,
    /// Whether the server may refuse some as being too many, with 429 or 503.
    pub(crate) may_shed: bool,
}

/// What a server says that has too much to do.
const SHED: [u16; 2] = [429, 503];

/// How it is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    /// At first nothing is measured.
    pub(crate) warm: Duration,
    pub(crate) window: Duration,
}

/// What came of it.
pub(crate) struct Load {
    /// Expected answers within the window.
    pub(crate) answered: u64,
    /// Anything else, at any time.
    pub(crate) failed: u64,
    /// What the first of these was.
    pub(crate) failure: Option<String>,
    /// From when to when it was measured.
    pub(crate) window: (Instant, Instant),
    pub(crate) elapsed: Duration,
    /// From the start, which for a schedule is the scheduled one, to the whole answer.
    pub(crate) latency: Histogram,
    /// The same of requests that were refused as being too many, if that may be.
    pub(crate) shed: Histogram,
    pub(crate) usage: Usage,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Sees every expected answer: the number of its turn, its start, and itself.
pub(crate) type Observer = Arc<dyn Fn(u64, Instant, &Answer<'_>) + Send + Sync>;

struct Shared {
    target: Target,
    requests: Arc<Requests>,
    turns: Arc<Turns>,
    observer: Option<Observer>,
    from: Instant,
    to: Instant,
    failed: AtomicU64,
    breaks: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    answered: u64,
    latency: Histogram,
    shed: Histogram,
    failure: Option<String>,
}

/// Asks.
pub(crate) async fn run(
    target: Target,
    requests: &Arc<Requests>,
    plan: Plan,
    observer: Option<Observer>,
) -> Result<Load> {
    ensure!(!requests.wire.is_empty() && plan.connections > 0, "nothing to ask");
    let mut connections = Vec::with_capacity(plan.connections);
    for _ in 0..plan.connections {
        let connection = Connection::open(target.address).await;
        connections.push(connection.context("cannot connect to the server")?);
    }
    let counted = matches!(plan.pace, Pace::Times(_));
    let begin = Instant::now();
    let from = if counted { begin } else { begin + plan.warm };
    let to = begin + plan.warm + plan.window;
    let turns = Turns::new(plan.pace, begin, to);
    let shared = Arc::new(Shared {
        target,
        requests: Arc::clone(requests),
        turns: Arc::clone(&turns),
        observer,
        from,
        to,
        failed: AtomicU64::new(0),
        breaks: AtomicU64::new(0),
        seen: Mutex::default(),
    });

    let mut workers = JoinSet::new();
    for connection in connections {
        workers.spawn(Arc::clone(&shared).work(connection));
    }
    let _clock = turns.start_clock();
    let usage;
    let mut elapsed = plan.window;
    if counted {
        let meter = Meter::start(target.pid);
        wait_for(&mut workers, plan.window + GRACE).await?;
        (usage, elapsed) = (meter.stop(), begin.elapsed());
    } else {
        sleep_until(from.into()).await;
        let meter = Meter::start(target.pid);
        sleep_until(to.into()).await;
        usage = meter.stop();
        wait_for(&mut workers, GRACE).await?;
    }

    let failed = shared.failed.load(Ordering::Relaxed);
    let Seen { answered, latency, shed, failure } =
        std::mem::take(&mut *shared.seen.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Load { answered, failed, failure, window: (from, to), elapsed, latency, shed, usage })
}

async fn wait_for(workers: &mut JoinSet<Result<()>>, patience: Duration) -> Result<()> {
    let all = async {
        while let Some(ended) = workers.join_next().await {
            ended.context("a connection of the load generator panicked")??;
        }
        Ok(())
    };
    timeout(patience, all).await.context("the server did not answer in time")?
}

impl Shared {
    async fn work(self: Arc<Self>, mut connection: Connection) -> Result<()> {
        let wires = &self.requests.wire;
        while let Some(turn) = self.turns.next().await {
            let at = usize::try_from(turn.number).unwrap_or(0) % wires.len();
            match connection.call(&wires[at]).await {
                Ok(answer) if answer.status == self.requests.expected => {
                    self.seen_within(turn.start, |seen, latency| {
                        seen.answered += 1;
                        seen.latency.record(latency);
                    });
                    if let Some(observer) = &self.observer {
                        observer(turn.number, turn.start, &answer);
                    }
                }
                Ok(answer) if self.requests.may_shed && SHED.contains(&answer.status) => {
                    self.seen_within(turn.start, |seen, latency| seen.shed.record(latency));
                }
                Ok(answer) => self.failed(answer.text()),
                Err(error) => {
                    self.failed(error.to_string());
                    let breaks = self.breaks.fetch_add(1, Ordering::Relaxed);
                    ensure!(breaks < BREAKS, "connections break again and again: {error}");
                    connection = Connection::open(self.target.address).await?;
                }
            }
        }
        Ok(())
    }

    /// Counts an answer to what was asked at `start`, if that is within the window.
    fn seen_within(&self, start: Instant, count: impl FnOnce(&mut Seen, Duration)) {
        let now = Instant::now();
        // a schedule is judged by its starts: that an answer came too late for the window is its point
        let within = match self.turns.pace() {
            Pace::Closed => start >= self.from && now <= self.to,
            Pace::Open(_) | Pace::Times(_) => start >= self.from,
        };
        if within {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            count(&mut seen, now.duration_since(start));
        }
    }

    fn failed(&self, what: String) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).failure.get_or_insert(what);
    }
}
