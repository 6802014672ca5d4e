//! A pool of two HTTP/2 connections to one host. The second is used under load: a connection carries a bounded number of
//! requests, and all of them fail when it breaks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use countersign_domain::invalid::Invalid;
use reqwest::{Client, Identity};
use url::Url;

use crate::outgoing::{HttpVersion, Outgoing};

/// Requests in flight from which on the second connection is used.
const LOADED: usize = 24;

/// The connections to one host with one credential.
pub(crate) struct ConnectionPool {
    outgoing: Outgoing,
    base: Url,
    version: HttpVersion,
    identity: Option<Identity>,
    first: Slot,
    second: OnceLock<Result<Slot, Invalid>>,
}

struct Slot {
    client: RwLock<(u64, Client)>,
    in_flight: AtomicUsize,
}

/// A connection in use; counted until it is dropped.
pub(crate) struct PooledConnection<'a> {
    /// The client.
    pub(crate) client: Client,
    slot: &'a Slot,
    generation: u64,
}

impl Drop for PooledConnection<'_> {
    fn drop(&mut self) {
        self.slot.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slot {
    fn new(client: Client) -> Self {
        Self { client: RwLock::new((0, client)), in_flight: AtomicUsize::new(0) }
    }

    fn get(&self) -> PooledConnection<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let (generation, client) =
            self.client.read().unwrap_or_else(PoisonError::into_inner).clone();
        PooledConnection { client, slot: self, generation }
    }

    fn load(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl ConnectionPool {
    /// A pool of connections to `base`. The first is made with the first request, the second when it is needed.
    pub(crate) fn new(
        outgoing: &Outgoing,
        base: &Url,
        version: HttpVersion,
        identity: Option<Identity>,
    ) -> Result<Self, Invalid> {
        let client = outgoing.push_service_client(base, version, identity.clone())?;
        Ok(Self {
            outgoing: outgoing.clone(),
            base: base.clone(),
            version,
            identity,
            first: Slot::new(client),
            second: OnceLock::new(),
        })
    }

    /// The URL of a path below the base.
    pub(crate) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// A connection to send on.
    pub(crate) fn get(&self) -> PooledConnection<'_> {
        let first = self.first.load();
        match self.second() {
            Some(second) if first >= LOADED && second.load() < first => second.get(),
            _ => self.first.get(),
        }
    }

    /// The other connection than one that broke.
    pub(crate) fn get_other(&self, broken: &PooledConnection<'_>) -> PooledConnection<'_> {
        match self.second() {
            Some(second) if std::ptr::eq(broken.slot, &raw const self.first) => second.get(),
            _ => self.first.get(),
        }
    }

    /// Replaces a connection that the push service is closing; requests on it run to their end. Of concurrent callers one
    /// makes the new connection.
    pub(crate) fn replace(&self, connection: &PooledConnection<'_>) {
        let mut client = connection.slot.client.write().unwrap_or_else(PoisonError::into_inner);
        if client.0 == connection.generation
            && let Ok(fresh) = self.client()
        {
            *client = (client.0 + 1, fresh);
        }
    }

    fn second(&self) -> Option<&Slot> {
        if self.second.get().is_none() && self.first.load() < LOADED {
            return None;
        }
        self.second.get_or_init(|| self.client().map(Slot::new)).as_ref().ok()
    }

    fn client(&self) -> Result<Client, Invalid> {
        self.outgoing.push_service_client(&self.base, self.version, self.identity.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> ConnectionPool {
        let outgoing = Outgoing::default();
        ConnectionPool::new(&outgoing, &outgoing.apns, HttpVersion::Http2, None).unwrap()
    }

    #[test]
    fn the_second_connection_is_used_only_under_load() {
        let pool = pool();
        let some: Vec<_> = (0..LOADED).map(|_| pool.get()).collect();
        assert!(pool.second.get().is_none());
        let more: Vec<_> = (0..LOADED * 3).map(|_| pool.get()).collect();
        let second = pool.second.get().unwrap().as_ref().unwrap();
        assert_eq!((pool.first.load(), second.load()), (LOADED * 2, LOADED * 2));
        drop((some, more));
        assert_eq!((pool.first.load(), second.load()), (0, 0));
    }

    #[test]
    fn a_closing_connection_is_replaced_once() {
        let pool = pool();
        let (one, same) = (pool.get(), pool.get());
        pool.replace(&one);
        pool.replace(&same);
        assert_eq!(pool.get().generation, 1);
    }

    #[test]
    fn a_path_is_escaped_and_appended_to_the_base() {
        let base = Url::parse("https://127.0.0.1:2197/apns/").unwrap();
        let pool =
            ConnectionPool::new(&Outgoing::default(), &base, HttpVersion::Http2, None).unwrap();
        let url = pool.url(&["3", "device", "../a?b"]);
        assert_eq!(url.as_str(), "https://127.0.0.1:2197/apns/3/device/..%2Fa%3Fb");
    }
}
