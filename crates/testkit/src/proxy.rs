//! A proxy in front of a server that fails when a test wants it to.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The address of a server.
#[derive(Debug, Clone)]
pub enum Server {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// The outcome of a commit of a PostgreSQL client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// The commit and its response arrive.
    Passes,
    /// The connection ends before the commit arrives.
    Unsent,
    /// The commit is executed, and the connection ends before its response arrives.
    Unanswered,
}

/// The message `COMMIT` of a client, and the response of the server.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";

/// A listener on a free port of this machine that forwards connections to a server. Dropping it ends them.
#[derive(Debug)]
pub struct FaultyProxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    server: Mutex<Server>,
    /// Whether nothing is forwarded.
    is_silent: Mutex<bool>,
    changed: Condvar,
    /// One end of each connection, for ending it.
    open: Mutex<Vec<TcpStream>>,
    commits: Mutex<Vec<Commit>>,
    seen: AtomicUsize,
    is_over: AtomicBool,
}

impl FaultyProxy {
    /// Starts to listen.
    ///
    /// # Panics
    /// No port is free.
    pub fn to(server: Server) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            server: Mutex::new(server),
            is_silent: Mutex::default(),
            changed: Condvar::new(),
            open: Mutex::default(),
            commits: Mutex::default(),
            seen: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &accepting));
        Self { address, state }
    }

    /// The address of the proxy.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops forwarding in both directions, or resumes it. Connections stay open and new ones are accepted meanwhile;
    /// delayed bytes are forwarded on resumption.
    pub fn silence(&self, is_silent: bool) {
        *lock(&self.state.is_silent) = is_silent;
        self.state.changed.notify_all();
    }

    /// Forwards to the server of another proxy from now on, and ends all connections.
    pub fn redirect_to(&self, other: &Self) {
        let server = lock(&other.state.server).clone();
        *lock(&self.state.server) = server;
        self.cut();
    }

    /// Ends all connections.
    pub fn cut(&self) {
        for end in lock(&self.state.open).drain(..) {
            end.shutdown(Shutdown::Both).ok();
        }
    }

    /// Sets the fates of the next commits, in turn and over again.
    pub fn on_commits(&self, commits: &[Commit]) {
        self.state.seen.store(0, Ordering::SeqCst);
        *lock(&self.state.commits) = commits.to_vec();
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        self.silence(false);
        self.cut();
        // the listener accepts one more connection and ends
        TcpStream::connect(self.address).ok();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for client in listener.incoming().flatten() {
        if state.is_over.load(Ordering::SeqCst) {
            return;
        }
        let state = Arc::clone(state);
        thread::spawn(move || {
            state.wait_while_silent();
            // a missing server refuses
            let _ = state.join(&client);
            client.shutdown(Shutdown::Both).ok();
        });
    }
}

impl State {
    fn wait_while_silent(&self) {
        let mut silent = lock(&self.is_silent);
        while *silent {
            silent = self.changed.wait(silent).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Forwards both directions until one of them ends.
    fn join(self: &Arc<Self>, client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let server = lock(&self.server).clone();
        let (reading, writing): (Box<dyn Read + Send>, Box<dyn Write>) = match server {
            Server::Tcp(address) => {
                let server = TcpStream::connect(address)?;
                server.set_nodelay(true)?;
                (Box::new(server.try_clone()?), Box::new(Closing(server)))
            }
            Server::Unix(path) => {
                let server = UnixStream::connect(path)?;
                (Box::new(server.try_clone()?), Box::new(Closing(server)))
            }
        };
        lock(&self.open).push(client.try_clone()?);
        let drops_the_answer = Arc::new(AtomicBool::new(false));
        let (state, back, drops) =
            (Arc::clone(self), client.try_clone()?, Arc::clone(&drops_the_answer));
        thread::spawn(move || {
            let _ = state.carry_back(reading, &back, &drops);
            back.shutdown(Shutdown::Both).ok();
        });
        self.carry(client, writing, &drops_the_answer)
    }

    /// Forwards from the client to the server.
    fn carry(
        &self,
        mut client: &TcpStream,
        mut server: Box<dyn Write>,
        drops_the_answer: &AtomicBool,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = client.read(&mut buffer)?;
            self.wait_while_silent();
            let sent = &buffer[..read];
            if sent.is_empty() {
                return Ok(());
            }
            if contains(sent, COMMIT) {
                match self.next_commit() {
                    Commit::Passes => {}
                    Commit::Unsent => return Ok(()),
                    Commit::Unanswered => drops_the_answer.store(true, Ordering::SeqCst),
                }
            }
            server.write_all(sent)?;
        }
    }

    /// Forwards from the server to the client.
    fn carry_back(
        &self,
        mut server: Box<dyn Read + Send>,
        mut client: &TcpStream,
        drops_the_answer: &AtomicBool,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = server.read(&mut buffer)?;
            self.wait_while_silent();
            let sent = &buffer[..read];
            let is_dropped = drops_the_answer.load(Ordering::SeqCst) && contains(sent, COMMITTED);
            if sent.is_empty() || is_dropped {
                return Ok(());
            }
            client.write_all(sent)?;
        }
    }

    fn next_commit(&self) -> Commit {
        let commits = lock(&self.commits);
        if commits.is_empty() {
            return Commit::Passes;
        }
        commits[self.seen.fetch_add(1, Ordering::SeqCst) % commits.len()]
    }
}

/// The connection to a server, which is shut down when the client has gone.
struct Closing<S: Ends>(S);

/// A stream that can be shut down.
trait Ends: Write {
    fn end(&self);
}

impl Ends for TcpStream {
    fn end(&self) {
        self.shutdown(Shutdown::Both).ok();
    }
}

impl Ends for UnixStream {
    fn end(&self) {
        self.shutdown(Shutdown::Both).ok();
    }
}

impl<S: Ends> Write for Closing<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Ends> Drop for Closing<S> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
