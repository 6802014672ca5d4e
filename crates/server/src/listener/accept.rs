//! Accepts connections. A task serves each of them; the tasks belong to the accept loop and end with it.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::connection::{self, ListenerContext};
use super::connection_limit::{ConnectionLimiter, Refusal};

/// The pause after the system had no resources for a connection.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// The shortest time between two log lines about the same problem.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Accepts the connections of a socket.
pub(super) struct Acceptor {
    pub(super) socket: TcpListener,
    pub(super) context: Arc<ListenerContext>,
    pub(super) limiter: Arc<ConnectionLimiter>,
    pub(super) stopping: CancellationToken,
}

impl Acceptor {
    /// Runs until it is stopped, and then until the last connection has ended.
    pub(super) async fn run(self) {
        let Self { socket, context, limiter, stopping } = self;
        let mut tasks = JoinSet::new();
        let mut problems = ProblemLog::default();
        // A reserve descriptor. It is closed when there are no others, so that one connection can be accepted and
        // idle ones closed.
        let mut spare = spare();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    match limiter.admit(from.ip(), Instant::now()) {
                        Ok((permit, served)) => {
                            let context = Arc::clone(&context);
                            tasks.spawn(connection::serve(stream, from, permit, served, context));
                        }
                        Err(refusal) => refuse(stream, from, refusal, &mut problems),
                    }
                    spare = spare.or_else(self::spare);
                }
                Err(error) => {
                    metrics::counter!("countersign_http_accept_errors_total").increment(1);
                    if !is_shortage(&error) {
                        // The client disconnected before it was accepted.
                        tracing::debug!(%error, "a connection was not accepted");
                        continue;
                    }
                    if problems.should_log(Problem::Shortage) {
                        tracing::error!(%error, "cannot accept a connection: {error}. Idle connections are being closed; raise the limit of open files (ulimit -n)");
                    }
                    limiter.make_room();
                    if spare.take().is_none() {
                        tokio::select! {
                            () = stopping.cancelled() => break,
                            () = tokio::time::sleep(RETRY_DELAY) => {}
                        }
                    }
                }
            }
        }
        drop(socket);
        limiter.drain();
        while tasks.join_next().await.is_some() {}
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Whether the system lacks descriptors, memory or buffers: an immediate retry would fail too.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| shortages.contains(&errno))
}

fn refuse(stream: TcpStream, from: SocketAddr, refusal: Refusal, problems: &mut ProblemLog) {
    let (problem, reason) = match refusal {
        Refusal::Full => (Problem::Full, "full"),
        Refusal::AddressFull => (Problem::AddressFull, "address"),
    };
    metrics::counter!("countersign_http_connections_refused_total", "reason" => reason)
        .increment(1);
    if problems.should_log(problem) {
        let address = from.ip();
        match refusal {
            Refusal::Full => tracing::warn!(
                "connection refused: http.connections_max is reached, and no connection is idle"
            ),
            Refusal::AddressFull => tracing::warn!(
                %address,
                "connection refused: http.connections_per_address is reached for this address"
            ),
        }
    }
    drop(stream);
}

#[derive(Clone, Copy)]
enum Problem {
    Shortage,
    Full,
    AddressFull,
}

/// When each problem was last logged.
#[derive(Default)]
struct ProblemLog([Option<Instant>; 3]);

impl ProblemLog {
    fn should_log(&mut self, problem: Problem) -> bool {
        let [shortage, full, address_full] = &mut self.0;
        let last = match problem {
            Problem::Shortage => shortage,
            Problem::Full => full,
            Problem::AddressFull => address_full,
        };
        let should_log = last.is_none_or(|last| last.elapsed() >= LOG_INTERVAL);
        if should_log {
            *last = Some(Instant::now());
        }
        should_log
    }
}
