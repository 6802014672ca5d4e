//! The connections of a stand-in: counted, and ended on demand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

/// Every connection of one stand-in.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    opened: AtomicU64,
    is_shut: AtomicBool,
    lines: Mutex<HashMap<u64, watch::Sender<Wish>>>,
    open: watch::Sender<usize>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            opened: AtomicU64::new(0),
            is_shut: AtomicBool::new(false),
            lines: Mutex::default(),
            open: watch::Sender::new(0),
        }
    }
}

/// What is to become of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Stay,
    GoAway,
    Cut,
}

impl Connections {
    /// How many were opened since the start. One that never finished its TLS handshake does not count.
    pub fn opened(&self) -> u64 {
        self.inner.opened.load(Ordering::Relaxed)
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        *self.inner.open.borrow()
    }

    /// Waits until `n` are open.
    pub async fn wait_for_open(&self, n: usize) {
        // fails only if there are no connections to come
        let _ = self.inner.open.subscribe().wait_for(|open| *open == n).await;
    }

    /// Tells everybody to go away: requests under way are answered, new ones need a new connection. HTTP/2's `GOAWAY`.
    pub fn go_away(&self) {
        self.tell_all(Wish::GoAway);
    }

    /// Cuts every connection, whatever is under way on it.
    pub fn cut(&self) {
        self.tell_all(Wish::Cut);
    }

    /// The service is down: every connection is cut, and no new one gets as far as TLS.
    pub fn shut(&self) {
        self.inner.is_shut.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// The service is up again.
    pub fn reopen(&self) {
        self.inner.is_shut.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.inner.is_shut.load(Ordering::SeqCst)
    }

    /// Counts a new connection. It stays counted until the wishes are dropped.
    pub(crate) fn add(&self, certificate: Option<CertificateDer<'static>>) -> (Line, Wishes) {
        let id = self.inner.opened.fetch_add(1, Ordering::Relaxed);
        let (wish, wishes) = watch::channel(Wish::Stay);
        {
            let mut lines = self.lines();
            lines.insert(id, wish.clone());
            self.inner.open.send_replace(lines.len());
        }
        // looked at again: it may have been shut between the handshake and here
        if self.is_shut() {
            wish.send_replace(Wish::Cut);
        }
        let line = Line { id, wish, certificate };
        (line, Wishes { id, wishes, connections: self.clone() })
    }

    fn tell_all(&self, wish: Wish) {
        for line in self.lines().values() {
            line.send_replace(wish);
        }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<u64, watch::Sender<Wish>>> {
        self.inner.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection, as a request on it sees it.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Its number; the first is 0.
    pub(crate) id: u64,
    /// The certificate that the caller showed, which our authority signed.
    pub(crate) certificate: Option<CertificateDer<'static>>,
    wish: watch::Sender<Wish>,
}

impl Line {
    pub(crate) fn go_away(&self) {
        self.wish.send_replace(Wish::GoAway);
    }

    pub(crate) fn cut(&self) {
        self.wish.send_replace(Wish::Cut);
    }
}

/// What is wished for one connection, for the task that serves it.
pub(crate) struct Wishes {
    id: u64,
    wishes: watch::Receiver<Wish>,
    connections: Connections,
}

impl Wishes {
    pub(crate) async fn next(&mut self) -> Wish {
        match self.wishes.changed().await {
            Ok(()) => *self.wishes.borrow_and_update(),
            // the map holds a sender for as long as we are counted
            Err(_) => Wish::Cut,
        }
    }
}

impl Drop for Wishes {
    fn drop(&mut self) {
        let mut lines = self.connections.lines();
        lines.remove(&self.id);
        self.connections.inner.open.send_replace(lines.len());
    }
}
