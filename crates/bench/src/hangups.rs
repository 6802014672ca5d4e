//! `hangups`: callers that close their connection within a millisecond of a request. A request that the server had
//! not begun is dropped; a stored one must reach the device as fast as if the caller had waited.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::bench::Bench;
use crate::calls::each;
use crate::deliver::{self, PATIENCE, Setup, lost_and_superseded};
use crate::http::Connection;
use crate::ledger::{Accepted, Reconciliation, sid_after};
use crate::machine::Meter;
use crate::notify::TTL;

const PART: &str = "hangups";
/// Calls per source address: each leaves a port in TIME_WAIT, of which an address has some 28,000.
const CALLS_MAX: usize = 5_000;
/// Source addresses of the callers, `127.0.0.1` and the next ones.
const ADDRESSES: usize = 8;
const READERS: usize = 16;

/// The behaviour of a caller.
#[derive(Clone, Copy)]
enum Behaviour {
    /// Waits for the response.
    Waits,
    /// Closes at once.
    HangsUp,
    /// Closes after a millisecond.
    HangsUpSoon,
}

impl Behaviour {
    const ALL: [(Self, &str); 3] = [
        (Self::Waits, "callers that wait"),
        (Self::HangsUp, "callers that hang up at once"),
        (Self::HangsUpSoon, "callers that hang up after 1 ms"),
    ];
}

/// For each behaviour: one call for each challenge, each on its own connection, and an account of the stored notifications.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let devices = bench.scale.devices.last().copied().unwrap_or(1);
    for _ in 0..bench.scale.repeats {
        for (behaviour, name) in Behaviour::ALL {
            let (mut setup, _folder) = deliver::set_up(bench, PART, devices).await?;
            measure(bench, &setup, behaviour, name).await?;
            setup.server.still_runs()?;
        }
    }
    Ok(())
}

async fn measure(bench: &mut Bench, setup: &Setup, behaviour: Behaviour, name: &str) -> Result<()> {
    let calls = setup.challenges.all.len().min(CALLS_MAX);
    let meter = Meter::start(setup.server.target.pid);
    let begin = Instant::now();
    let starts = call_all(setup, calls, bench.connections(), behaviour).await?;
    let (called, usage) = (begin.elapsed(), meter.stop());

    setup.fleet.settle(calls, Duration::from_secs(2)).await;
    let accepted = stored(setup, &starts).await?;
    setup.fleet.settle(accepted.len(), PATIENCE).await;
    let ttl = Duration::from_secs(TTL.into());
    let window = (begin, Instant::now());
    let reconciliation = Reconciliation::of(&accepted, &setup.fleet.take(), ttl, window);
    setup.fleet.check_connected()?;

    let mut readings = vec![
        ("calls per s", calls as f64 / called.as_secs_f64().max(1e-9)),
        ("stored %", accepted.len() as f64 * 100.0 / calls.max(1) as f64),
    ];
    for (column, share) in [("p50 ms", 0.5), ("p99 ms", 0.99)] {
        readings.extend(reconciliation.latency.quantile_ms(share).map(|ms| (column, ms)));
    }
    readings.push(("max ms", reconciliation.latency.longest_ms()));
    readings.extend(usage.disturbances());
    let Setup { server, challenges, .. } = setup;
    readings
        .extend(lost_and_superseded(bench, PART, name, server, challenges, &reconciliation).await?);
    bench.report.add(PART, name, &readings);
    Ok(())
}

/// Makes `calls` calls, `at_once` at a time; returns the start of each.
async fn call_all(
    setup: &Setup,
    calls: usize,
    at_once: usize,
    behaviour: Behaviour,
) -> Result<Vec<Instant>> {
    let (next, to) = (Arc::new(AtomicUsize::new(0)), setup.server.target.address);
    let mut callers = JoinSet::new();
    for _ in 0..at_once {
        let (next, requests) = (Arc::clone(&next), Arc::clone(&setup.requests));
        callers.spawn(async move {
            let mut made = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    return Ok(made);
                }
                made.push((number, Instant::now()));
                call(to, number, &requests.wire[number], behaviour).await.context("a call")?;
            }
        });
    }
    let mut starts = vec![Instant::now(); calls];
    while let Some(made) = callers.join_next().await {
        let made: Result<Vec<_>> = made?;
        for (number, at) in made? {
            starts[number] = at;
        }
    }
    Ok(starts)
}

async fn call(to: SocketAddr, number: usize, request: &[u8], behaviour: Behaviour) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    let last = u8::try_from(number % ADDRESSES)? + 1;
    socket.bind((IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0).into())?;
    let mut stream: TcpStream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    match behaviour {
        Behaviour::Waits => {
            Connection::over(stream).call(request).await?;
        }
        Behaviour::HangsUp => stream.write_all(request).await?,
        Behaviour::HangsUpSoon => {
            stream.write_all(request).await?;
            sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

/// The notifications that the server has stored, each with the start of its call.
async fn stored(setup: &Setup, starts: &[Instant]) -> Result<Vec<Accepted>> {
    let server = &setup.server;
    let asked = setup.challenges.all.iter().take(starts.len());
    let wire = asked.map(|(path, _)| server.get(&format!("{path}/Notifications"))).collect();
    let lists = each(server.target, wire, 200, READERS).await.context("the notifications")?;
    let mut accepted = Vec::new();
    for (number, (list, start)) in lists.iter().zip(starts).enumerate() {
        let list: Value = serde_json::from_slice(&list.body)?;
        let called = list["notifications"].as_array().into_iter().flatten();
        for one in called.filter(|one| one["automatic"] == false) {
            let sid = one["sid"].as_str().unwrap_or_default();
            let sid = sid_after(sid.as_bytes(), b"NT").context("a SID")?;
            accepted.push(Accepted { sid, request: number as u64, start: *start });
        }
    }
    Ok(accepted)
}
