//! Load: many connections that send requests, each in a task, and the results.
//!
//! Server and generator share the machine, so the generator is kept cheap: requests are made in advance, one thread
//! serves all connections, and only the status and the length of a response are read.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::http::{Connection, Response};
use crate::machine::{Meter, Usage};
use crate::pace::{Pace, Turns};
use crate::stats::Histogram;

/// The time to wait for responses after the end of a run.
const GRACE: Duration = Duration::from_secs(20);
/// Broken connections after which a run is given up.
const BREAKS_MAX: u64 = 100;

/// The server that is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The process whose processor time is measured.
    pub(crate) pid: u32,
}

/// The requests, sent in turn and over again.
pub(crate) struct Requests {
    pub(crate) wire: Vec<Vec<u8>>,
    /// The status of a successful response.
    pub(crate) expected: u16,
    /// Whether the server may shed some with 429 or 503.
    pub(crate) may_shed: bool,
}

/// The statuses of an overloaded server.
const SHED: [u16; 2] = [429, 503];

/// The plan of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    /// The time before the measurement.
    pub(crate) warm: Duration,
    pub(crate) window: Duration,
}

/// The results of a run.
pub(crate) struct Load {
    /// Expected responses within the window.
    pub(crate) answered: u64,
    /// Other responses, at any time.
    pub(crate) failed: u64,
    /// The first of them.
    pub(crate) failure: Option<String>,
    /// The start and the end of the measurement.
    pub(crate) window: (Instant, Instant),
    pub(crate) elapsed: Duration,
    /// From the start of a request, which a schedule sets, to the whole response.
    pub(crate) latency: Histogram,
    /// The latency of requests that were shed.
    pub(crate) shed: Histogram,
    pub(crate) usage: Usage,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Receives every expected response with the number and the start of its request.
pub(crate) type Observer = Arc<dyn Fn(u64, Instant, &Response<'_>) + Send + Sync>;

struct Run {
    target: Target,
    requests: Arc<Requests>,
    turns: Arc<Turns>,
    observer: Option<Observer>,
    from: Instant,
    to: Instant,
    failed: AtomicU64,
    breaks: AtomicU64,
    seen: Mutex<Results>,
}

#[derive(Default)]
struct Results {
    answered: u64,
    latency: Histogram,
    shed: Histogram,
    failure: Option<String>,
}

/// Runs a load.
pub(crate) async fn run(
    target: Target,
    requests: &Arc<Requests>,
    plan: Plan,
    observer: Option<Observer>,
) -> Result<Load> {
    ensure!(!requests.wire.is_empty() && plan.connections > 0, "no requests");
    let mut connections = Vec::with_capacity(plan.connections);
    for _ in 0..plan.connections {
        let connection = Connection::open(target.address).await;
        connections.push(connection.context("cannot connect to the server")?);
    }
    let counted = matches!(plan.pace, Pace::Count(_));
    let begin = Instant::now();
    let from = if counted { begin } else { begin + plan.warm };
    let to = begin + plan.warm + plan.window;
    let turns = Turns::new(plan.pace, begin, to);
    let run_state = Arc::new(Run {
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
        workers.spawn(Arc::clone(&run_state).work(connection));
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

    let failed = run_state.failed.load(Ordering::Relaxed);
    let Results { answered, latency, shed, failure } =
        std::mem::take(&mut *run_state.seen.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Load { answered, failed, failure, window: (from, to), elapsed, latency, shed, usage })
}

async fn wait_for(workers: &mut JoinSet<Result<()>>, patience: Duration) -> Result<()> {
    let all = async {
        while let Some(ended) = workers.join_next().await {
            ended.context("a connection of the load generator panicked")??;
        }
        Ok(())
    };
    timeout(patience, all).await.context("the server did not respond in time")?
}

impl Run {
    async fn work(self: Arc<Self>, mut connection: Connection) -> Result<()> {
        let wires = &self.requests.wire;
        while let Some(turn) = self.turns.next().await {
            let at = usize::try_from(turn.number).unwrap_or(0) % wires.len();
            match connection.call(&wires[at]).await {
                Ok(answer) if answer.status == self.requests.expected => {
                    self.count_within(turn.start, |seen, latency| {
                        seen.answered += 1;
                        seen.latency.record(latency);
                    });
                    if let Some(observer) = &self.observer {
                        observer(turn.number, turn.start, &answer);
                    }
                }
                Ok(answer) if self.requests.may_shed && SHED.contains(&answer.status) => {
                    self.count_within(turn.start, |seen, latency| seen.shed.record(latency));
                }
                Ok(answer) => self.failed(answer.text()),
                Err(error) => {
                    self.failed(error.to_string());
                    let breaks = self.breaks.fetch_add(1, Ordering::Relaxed);
                    ensure!(breaks < BREAKS_MAX, "connections keep breaking: {error}");
                    connection = Connection::open(self.target.address).await?;
                }
            }
        }
        Ok(())
    }

    /// Counts the response to a request started at `start`, if it is within the window.
    fn count_within(&self, start: Instant, count: impl FnOnce(&mut Results, Duration)) {
        let now = Instant::now();
        // a schedule counts by its starts: late responses are what it measures
        let within = match self.turns.pace() {
            Pace::Closed => start >= self.from && now <= self.to,
            Pace::Open(_) | Pace::Random { .. } | Pace::Count(_) => start >= self.from,
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
