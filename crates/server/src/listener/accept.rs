//! Taking connections. Each is served in a task of its own; the tasks belong to this loop and end with it.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::connection::{self, Shared};
use super::crowd::{Crowd, Refusal};

/// How long accepting rests when the system has no room for a connection.
const REST: Duration = Duration::from_millis(100);
/// The same trouble is logged this often at most.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Takes connections from a socket.
pub(super) struct Acceptor {
    pub(super) socket: TcpListener,
    pub(super) shared: Arc<Shared>,
    pub(super) crowd: Arc<Crowd>,
    pub(super) stopping: CancellationToken,
}

impl Acceptor {
    /// Runs until it is told to stop, and then until the last connection has ended.
    pub(super) async fn run(self) {
        let Self { socket, shared, crowd, stopping } = self;
        let mut tasks = JoinSet::new();
        let mut troubles = Troubles::default();
        // A file that is given up when there are no more: one connection can be taken then, and room be made.
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
                    match crowd.admit(from.ip(), Instant::now()) {
                        Ok((place, served)) => {
                            let shared = Arc::clone(&shared);
                            tasks.spawn(connection::serve(stream, from, place, served, shared));
                        }
                        Err(refusal) => refuse(stream, from, refusal, &mut troubles),
                    }
                    spare = spare.or_else(self::spare);
                }
                Err(error) => {
                    metrics::counter!("countersign_http_accept_errors_total").increment(1);
                    if !is_shortage(&error) {
                        // The client has gone before it was taken.
                        tracing::debug!(%error, "a connection could not be accepted");
                        continue;
                    }
                    if troubles.is_news(Trouble::Shortage) {
                        tracing::error!(%error, "a connection cannot be accepted: {error}. Idle connections are closed; raise the limit of open files (ulimit -n)");
                    }
                    crowd.make_room();
                    if spare.take().is_none() {
                        tokio::select! {
                            () = stopping.cancelled() => break,
                            () = tokio::time::sleep(REST) => {}
                        }
                    }
                }
            }
        }
        drop(socket);
        crowd.finish();
        while tasks.join_next().await.is_some() {}
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Whether the system has no file, no memory or no buffer for a connection: trying again at once would be in vain.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| shortages.contains(&errno))
}

fn refuse(stream: TcpStream, from: SocketAddr, refusal: Refusal, troubles: &mut Troubles) {
    let (trouble, reason) = match refusal {
        Refusal::Full => (Trouble::Full, "full"),
        Refusal::AddressFull => (Trouble::AddressFull, "address"),
    };
    metrics::counter!("countersign_http_connections_refused_total", "reason" => reason)
        .increment(1);
    if troubles.is_news(trouble) {
        let address = from.ip();
        match refusal {
            Refusal::Full => tracing::warn!(
                "a connection is refused: there are as many as http.connections_max allows, and none is idle"
            ),
            Refusal::AddressFull => tracing::warn!(
                %address,
                "a connection is refused: its address has as many as http.connections_per_address allows"
            ),
        }
    }
    drop(stream);
}

#[derive(Clone, Copy)]
enum Trouble {
    Shortage,
    Full,
    AddressFull,
}

/// When each trouble was logged last.
#[derive(Default)]
struct Troubles([Option<Instant>; 3]);

impl Troubles {
    fn is_news(&mut self, trouble: Trouble) -> bool {
        let [shortage, full, address_full] = &mut self.0;
        let last = match trouble {
            Trouble::Shortage => shortage,
            Trouble::Full => full,
            Trouble::AddressFull => address_full,
        };
        let is_news = last.is_none_or(|last| last.elapsed() >= LOG_EVERY);
        if is_news {
            *last = Some(Instant::now());
        }
        is_news
    }
}
