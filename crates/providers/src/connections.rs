//! Two connections to one host, by turn when there is much to do: an HTTP/2 connection carries so many requests at once
//! and no more, and whatever breaks it breaks all of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use countersign_domain::invalid::Invalid;
use reqwest::{Client, Identity};
use url::Url;

use crate::outgoing::{Outgoing, Speaks};

/// Up to so many requests at once one connection is enough.
const LIGHT: usize = 24;

/// The connections to one host with one credential.
pub(crate) struct Connections {
    outgoing: Outgoing,
    base: Url,
    speaks: Speaks,
    identity: Option<Identity>,
    first: Slot,
    second: OnceLock<Result<Slot, Invalid>>,
}

struct Slot {
    client: RwLock<(u64, Client)>,
    in_flight: AtomicUsize,
}

/// A connection in use.
pub(crate) struct Held<'a> {
    /// The client.
    pub(crate) client: Client,
    slot: &'a Slot,
    turn: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.slot.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slot {
    fn new(client: Client) -> Self {
        Self { client: RwLock::new((0, client)), in_flight: AtomicUsize::new(0) }
    }

    fn hold(&self) -> Held<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let (turn, client) = self.client.read().unwrap_or_else(PoisonError::into_inner).clone();
        Held { client, slot: self, turn }
    }

    fn load(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl Connections {
    /// Connections to `base`. The first is made with the first request, the second when it is needed.
    pub(crate) fn new(
        outgoing: &Outgoing,
        base: &Url,
        speaks: Speaks,
        identity: Option<Identity>,
    ) -> Result<Self, Invalid> {
        let client = outgoing.vendor(base, speaks, identity.clone())?;
        Ok(Self {
            outgoing: outgoing.clone(),
            base: base.clone(),
            speaks,
            identity,
            first: Slot::new(client),
            second: OnceLock::new(),
        })
    }

    /// The host, and a path below it.
    pub(crate) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// A connection to send on.
    pub(crate) fn hold(&self) -> Held<'_> {
        let first = self.first.load();
        match self.second() {
            Some(second) if first >= LIGHT && second.load() < first => second.hold(),
            _ => self.first.hold(),
        }
    }

    /// The connection beside one that broke.
    pub(crate) fn hold_other(&self, broken: &Held<'_>) -> Held<'_> {
        match self.second() {
            Some(second) if std::ptr::eq(broken.slot, &raw const self.first) => second.hold(),
            _ => self.first.hold(),
        }
    }

    /// Gives up a connection that the push service wants to be rid of; requests on it end in peace. Of many who find
    /// that out at once, one makes a new one.
    pub(crate) fn renew(&self, held: &Held<'_>) {
        let mut client = held.slot.client.write().unwrap_or_else(PoisonError::into_inner);
        if client.0 == held.turn
            && let Ok(fresh) = self.client()
        {
            *client = (client.0 + 1, fresh);
        }
    }

    fn second(&self) -> Option<&Slot> {
        if self.second.get().is_none() && self.first.load() < LIGHT {
            return None;
        }
        self.second.get_or_init(|| self.client().map(Slot::new)).as_ref().ok()
    }

    fn client(&self) -> Result<Client, Invalid> {
        self.outgoing.vendor(&self.base, self.speaks, self.identity.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> Connections {
        let outgoing = Outgoing::default();
        Connections::new(&outgoing, &outgoing.apns, Speaks::Http2, None).unwrap()
    }

    #[test]
    fn the_second_is_used_under_load_only() {
        let connections = connections();
        let some: Vec<_> = (0..LIGHT).map(|_| connections.hold()).collect();
        assert!(connections.second.get().is_none());
        let more: Vec<_> = (0..LIGHT * 3).map(|_| connections.hold()).collect();
        let second = connections.second.get().unwrap().as_ref().unwrap();
        assert_eq!((connections.first.load(), second.load()), (LIGHT * 2, LIGHT * 2));
        drop((some, more));
        assert_eq!((connections.first.load(), second.load()), (0, 0));
    }

    #[test]
    fn one_that_is_given_up_is_replaced_once() {
        let connections = connections();
        let (one, same) = (connections.hold(), connections.hold());
        connections.renew(&one);
        connections.renew(&same);
        assert_eq!(connections.hold().turn, 1);
    }

    #[test]
    fn a_path_is_escaped_and_follows_the_base() {
        let base = Url::parse("https://127.0.0.1:2197/apns/").unwrap();
        let connections =
            Connections::new(&Outgoing::default(), &base, Speaks::Http2, None).unwrap();
        let url = connections.url(&["3", "device", "../a?b"]);
        assert_eq!(url.as_str(), "https://127.0.0.1:2197/apns/3/device/..%2Fa%3Fb");
    }
}
