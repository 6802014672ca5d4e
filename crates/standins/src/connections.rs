//! Counts the connections of a stand-in, and ends them on demand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

/// The connections of one stand-in.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    opened: AtomicU64,
    is_shut: AtomicBool,
    orders: Mutex<HashMap<u64, watch::Sender<ConnectionOrder>>>,
    open: watch::Sender<usize>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            opened: AtomicU64::new(0),
            is_shut: AtomicBool::new(false),
            orders: Mutex::default(),
            open: watch::Sender::new(0),
        }
    }
}

/// An order to the task that serves a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionOrder {
    Stay,
    GoAway,
    Cut,
}

impl Connections {
    /// The number opened since the start, without those that did not complete their TLS handshake.
    pub fn opened(&self) -> u64 {
        self.inner.opened.load(Ordering::Relaxed)
    }

    /// The number that is open.
    pub fn open(&self) -> usize {
        *self.inner.open.borrow()
    }

    /// Waits until `n` are open.
    pub async fn wait_for_open(&self, n: usize) {
        // Cannot fail: the sender lives as long as `self`.
        let _ = self.inner.open.subscribe().wait_for(|open| *open == n).await;
    }

    /// Sends `GOAWAY` on all connections: requests in flight get a response, new ones need a new connection.
    pub fn go_away(&self) {
        self.order_all(ConnectionOrder::GoAway);
    }

    /// Cuts all connections, with the requests in flight.
    pub fn cut(&self) {
        self.order_all(ConnectionOrder::Cut);
    }

    /// Takes the service down: cuts all connections and accepts no new ones.
    pub fn shut(&self) {
        self.inner.is_shut.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Takes the service up again.
    pub fn reopen(&self) {
        self.inner.is_shut.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.inner.is_shut.load(Ordering::SeqCst)
    }

    /// Counts a new connection until the orders are dropped.
    pub(crate) fn add(
        &self,
        certificate: Option<CertificateDer<'static>>,
    ) -> (ConnectionHandle, Orders) {
        let id = self.inner.opened.fetch_add(1, Ordering::Relaxed);
        let (order, orders) = watch::channel(ConnectionOrder::Stay);
        {
            let mut all = self.orders();
            all.insert(id, order.clone());
            self.inner.open.send_replace(all.len());
        }
        // Checked again: the service may have been taken down since the handshake.
        if self.is_shut() {
            order.send_replace(ConnectionOrder::Cut);
        }
        let handle = ConnectionHandle { id, order, certificate };
        (handle, Orders { id, orders, connections: self.clone() })
    }

    fn order_all(&self, order: ConnectionOrder) {
        for connection in self.orders().values() {
            connection.send_replace(order);
        }
    }

    fn orders(&self) -> MutexGuard<'_, HashMap<u64, watch::Sender<ConnectionOrder>>> {
        self.inner.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection, for the requests on it.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionHandle {
    /// Its number; the first is 0.
    pub(crate) id: u64,
    /// The client's certificate, signed by the stand-in's authority.
    pub(crate) certificate: Option<CertificateDer<'static>>,
    order: watch::Sender<ConnectionOrder>,
}

impl ConnectionHandle {
    pub(crate) fn go_away(&self) {
        self.order.send_replace(ConnectionOrder::GoAway);
    }

    pub(crate) fn cut(&self) {
        self.order.send_replace(ConnectionOrder::Cut);
    }
}

/// The orders for one connection, for the task that serves it.
pub(crate) struct Orders {
    id: u64,
    orders: watch::Receiver<ConnectionOrder>,
    connections: Connections,
}

impl Orders {
    pub(crate) async fn next(&mut self) -> ConnectionOrder {
        match self.orders.changed().await {
            Ok(()) => *self.orders.borrow_and_update(),
            // The map holds a sender until this is dropped.
            Err(_) => ConnectionOrder::Cut,
        }
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        let mut all = self.connections.orders();
        all.remove(&self.id);
        self.connections.inner.open.send_replace(all.len());
    }
}
