//! An operator who has the console open: the overview, which a browser reads every five seconds, and the live timeline.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::bench::Bench;
use crate::console::Operator;
use crate::server::Server;

/// The interval at which the page reads the overview.
const PERIOD: Duration = Duration::from_secs(5);
const OVERVIEW: &str = "/console";
const TIMELINE: &str = "/console/timeline/live";
/// The beginning of an event that holds the newest lines.
const EVENT: &[u8] = b"event: lines";

/// The open pages. Dropping it closes them.
pub(crate) struct Onlooker {
    tasks: JoinSet<Result<()>>,
    seen: Arc<Mutex<Seen>>,
}

/// What the pages have shown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Seen {
    /// Loads of the overview.
    pub(crate) loads: u64,
    pub(crate) slowest: Duration,
    /// Events of the live timeline.
    pub(crate) events: u64,
}

impl Onlooker {
    /// Signs in, and opens both pages.
    pub(crate) async fn open(bench: &Bench, server: &Server) -> Result<Self> {
        let operator = Operator::sign_in(bench, server).await?;
        let (seen, to) = (Arc::<Mutex<Seen>>::default(), server.target.address);
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(to, operator.cookies(), Arc::clone(&seen)));
        tasks.spawn(read_again(to, operator, Arc::clone(&seen)));
        Ok(Self { tasks, seen })
    }

    /// What the pages have shown so far; the error of a page that broke.
    pub(crate) fn seen(&mut self) -> Result<Seen> {
        if let Some(ended) = self.tasks.try_join_next() {
            ended??;
        }
        Ok(*self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Loads the overview again and again.
async fn read_again(
    server: SocketAddr,
    mut operator: Operator,
    seen: Arc<Mutex<Seen>>,
) -> Result<()> {
    loop {
        // The server may have closed a connection that was idle for so long.
        operator.connect_again(server).await?;
        let begin = Instant::now();
        operator.load(OVERVIEW).await?;
        let took = begin.elapsed();
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.loads += 1;
            seen.slowest = seen.slowest.max(took);
        }
        sleep(PERIOD).await;
    }
}

/// Reads the live timeline.
async fn follow(server: SocketAddr, cookies: String, seen: Arc<Mutex<Seen>>) -> Result<()> {
    let mut socket = TcpStream::connect(server).await?;
    let request = format!(
        "GET {TIMELINE} HTTP/1.1\r\nHost: {server}\r\nAccept: text/event-stream\r\nCookie: {cookies}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await?;
    let mut events = Events::default();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = socket.read(&mut chunk).await?;
        ensure!(read > 0, "the live timeline ended");
        let found = events.count(&chunk[..read])?;
        seen.lock().unwrap_or_else(PoisonError::into_inner).events += found;
    }
}

/// Finds events in a response that arrives in pieces.
#[derive(Default)]
struct Events {
    /// The end of the last piece, in which an event may have begun.
    rest: Vec<u8>,
    has_begun: bool,
}

impl Events {
    /// The number of events that the piece completes.
    fn count(&mut self, piece: &[u8]) -> Result<u64> {
        self.rest.extend_from_slice(piece);
        if !self.has_begun && self.rest.len() >= 12 {
            let head = String::from_utf8_lossy(&self.rest[..12]);
            ensure!(head == "HTTP/1.1 200", "no live timeline: {head}");
            self.has_begun = true;
        }
        let found = self.rest.windows(EVENT.len()).filter(|window| *window == EVENT).count();
        if self.has_begun {
            let kept = self.rest.len().min(EVENT.len() - 1);
            self.rest.drain(..self.rest.len() - kept);
        }
        Ok(found as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_counts_once_however_the_response_is_cut() {
        let text =
            b"HTTP/1.1 200 OK\r\n\r\nevent: lines\ndata: x\n\nevent: beat\n\nevent: lines\ndata: y\n\n";
        for size in 1..text.len() {
            let mut events = Events::default();
            let found = text.chunks(size).map(|piece| events.count(piece).unwrap()).sum::<u64>();
            assert_eq!(found, 2, "{size}");
        }
        assert!(Events::default().count(b"HTTP/1.1 303 See Other\r\n").is_err());
    }
}
