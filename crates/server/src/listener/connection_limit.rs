//! Limits the connections, in all and from each address, and chooses idle ones to close when the limit is reached.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use countersign_domain::client_network::ClientNetwork;
use tokio::sync::Notify;

use super::bounds::{Bounds, PerAddress};
use super::proxies::Proxies;
use super::requests::Requests;

/// The share of connections that are closed at once when the limit is reached, if they are idle: one in 64. Finding
/// one takes a look at all.
const SHARE_TO_CLOSE: usize = 64;

/// The reason why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The limit is reached, and no connection is idle.
    Full,
    /// The limit of its address is reached.
    AddressFull,
}

/// A connection as seen from outside: its requests, and a way to end it.
pub(super) struct Connection {
    pub(super) requests: Arc<Requests>,
    command: AtomicU8,
    commanded: Notify,
}

/// A command to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// Answer the open requests, then end.
    Drain,
    /// End now, to make room; no request is open.
    Close,
}

impl Connection {
    fn new(now: Instant) -> Self {
        let requests = Arc::new(Requests::new(now));
        Self { requests, command: AtomicU8::new(0), commanded: Notify::new() }
    }

    fn send(&self, command: Command) {
        self.command.store(command as u8 + 1, Ordering::Release);
        self.commanded.notify_one();
    }

    /// Waits for the next command.
    pub(super) async fn command(&self) -> Command {
        loop {
            self.commanded.notified().await;
            match self.command.load(Ordering::Acquire) {
                0 => {}
                1 => return Command::Drain,
                _ => return Command::Close,
            }
        }
    }
}

/// The connections of a listener.
pub(super) struct ConnectionLimiter {
    most: usize,
    per_address: PerAddress,
    proxies: Proxies,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
    /// The connections that are served. Those that became device streams are not among them.
    served: HashMap<u64, Arc<Connection>>,
    /// How many of them were told to close.
    closing: usize,
    next: u64,
}

impl ConnectionLimiter {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let Bounds { connections, per_address, ref proxies, .. } = *bounds;
        let (most, proxies) = (connections.max(1), proxies.clone());
        Self { most, per_address, proxies, counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // No update can panic half way.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a new connection. If the limit is reached, idle connections are closed for it.
    pub(super) fn admit(
        self: &Arc<Self>,
        from: IpAddr,
        now: Instant,
    ) -> Result<(ConnectionPermit, ActiveConnection), Refusal> {
        let mut counts = self.counts();
        let address = self.counted(from);
        if counts.of(address) >= self.most_of(from) {
            return Err(Refusal::AddressFull);
        }
        if counts.total.saturating_sub(counts.closing) >= self.most
            && counts.make_room(self.most) == 0
        {
            return Err(Refusal::Full);
        }
        counts.add(address);
        counts.total += 1;
        metrics::gauge!("countersign_http_connections").increment(1.0);
        let number = counts.next;
        counts.next += 1;
        let connection = Arc::new(Connection::new(now));
        counts.served.insert(number, Arc::clone(&connection));
        let permit = ConnectionPermit { limiter: Arc::clone(self), address };
        Ok((permit, ActiveConnection { limiter: Arc::clone(self), number, connection }))
    }

    /// The address that a connection counts for. A trusted proxy connects for all its clients and does not count.
    fn counted(&self, from: IpAddr) -> Option<IpAddr> {
        (!self.proxies.trust(from)).then(|| ClientNetwork::of(from).address())
    }

    fn most_of(&self, address: IpAddr) -> usize {
        match self.per_address {
            PerAddress::Max(most) => most,
            PerAddress::MaxFromElsewhere(most) if !address.is_loopback() => most,
            PerAddress::MaxFromElsewhere(_) | PerAddress::Unbounded => usize::MAX,
        }
    }

    /// Closes idle connections; returns how many.
    pub(super) fn make_room(&self) -> usize {
        self.counts().make_room(self.most)
    }

    /// Tells every connection to answer its open requests and to end.
    pub(super) fn drain(&self) {
        self.counts().served.values().for_each(|connection| connection.send(Command::Drain));
    }
}

impl Counts {
    fn of(&self, address: Option<IpAddr>) -> usize {
        address.and_then(|address| self.by_address.get(&address).copied()).unwrap_or_default()
    }

    fn add(&mut self, address: Option<IpAddr>) {
        if let Some(address) = address {
            *self.by_address.entry(address).or_default() += 1;
        }
    }

    fn remove(&mut self, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        if let Entry::Occupied(mut count) = self.by_address.entry(address) {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn make_room(&mut self, most: usize) -> usize {
        let idle = self.served.values().filter(|it| it.command.load(Ordering::Acquire) == 0);
        let mut idle: Vec<_> =
            idle.filter_map(|it| Some((it.requests.idle()?, Arc::clone(it)))).collect();
        idle.sort_by_key(|(idle, _)| *idle);
        idle.truncate(most.div_ceil(SHARE_TO_CLOSE));
        for (_, connection) in &idle {
            connection.send(Command::Close);
        }
        self.closing += idle.len();
        idle.len()
    }
}

/// The permit of a connection, held by its socket and released when dropped.
pub(super) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    /// The address that the connection counts for.
    address: Option<IpAddr>,
}

impl ConnectionPermit {
    /// Counts the connection for the client that a proxy names.
    pub(super) fn reassign(&mut self, client: IpAddr) -> Result<(), Refusal> {
        let mut counts = self.limiter.counts();
        let address = self.limiter.counted(client);
        if counts.of(address) >= self.limiter.most_of(client) {
            return Err(Refusal::AddressFull);
        }
        counts.remove(self.address);
        counts.add(address);
        self.address = address;
        Ok(())
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        metrics::gauge!("countersign_http_connections").decrement(1.0);
        let mut counts = self.limiter.counts();
        counts.total = counts.total.saturating_sub(1);
        counts.remove(self.address);
    }
}

/// A connection that is served.
pub(super) struct ActiveConnection {
    limiter: Arc<ConnectionLimiter>,
    number: u64,
    pub(super) connection: Arc<Connection>,
}

impl ActiveConnection {
    /// Takes back the command to close.
    pub(super) fn cancel_close(&self) {
        let mut counts = self.limiter.counts();
        self.connection.command.store(0, Ordering::Release);
        counts.closing = counts.closing.saturating_sub(1);
    }
}

impl Drop for ActiveConnection {
    fn drop(&mut self) {
        let mut counts = self.limiter.counts();
        counts.served.remove(&self.number);
        if self.connection.command.load(Ordering::Acquire) == Command::Close as u8 + 1 {
            counts.closing = counts.closing.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(connections: usize, per_address: PerAddress) -> Arc<ConnectionLimiter> {
        Arc::new(ConnectionLimiter::new(&Bounds { connections, per_address, ..Bounds::default() }))
    }

    fn admit(
        limiter: &Arc<ConnectionLimiter>,
        from: &str,
    ) -> Result<(ConnectionPermit, ActiveConnection), Refusal> {
        limiter.admit(from.parse().unwrap(), Instant::now())
    }

    #[tokio::test]
    async fn at_the_limit_the_connection_that_is_idle_longest_is_closed() {
        let limiter = limiter(2, PerAddress::Unbounded);
        let (_permit, busy) = admit(&limiter, "192.0.2.1").unwrap();
        let open = busy.connection.requests.open();
        let idle = admit(&limiter, "192.0.2.2").unwrap();
        let _third = admit(&limiter, "192.0.2.3").unwrap();
        assert_eq!(idle.1.connection.command().await, Command::Close);
        drop(idle);
        let fourth = admit(&limiter, "192.0.2.4").unwrap();
        let _held = fourth.1.connection.requests.open();
        assert_eq!(admit(&limiter, "192.0.2.5").err(), Some(Refusal::Full), "the others are busy");
        drop(open);
    }

    #[test]
    fn at_the_limit_a_connection_is_refused_if_none_is_idle() {
        let limiter = limiter(1, PerAddress::Unbounded);
        let (permit, served) = admit(&limiter, "192.0.2.1").unwrap();
        let open = served.connection.requests.open();
        assert_eq!(admit(&limiter, "192.0.2.2").err(), Some(Refusal::Full));
        // A device stream keeps its socket, and no request is served on it.
        drop((open, served));
        assert_eq!(admit(&limiter, "192.0.2.2").err(), Some(Refusal::Full));
        drop(permit);
        assert!(admit(&limiter, "192.0.2.2").is_ok());
    }

    #[test]
    fn an_address_has_its_own_limit_and_this_machine_only_if_that_is_set() {
        let elsewhere = limiter(9, PerAddress::MaxFromElsewhere(1));
        let _held = ["192.0.2.1", "127.0.0.1", "127.0.0.1", "::1", "::1"]
            .map(|from| admit(&elsewhere, from).unwrap());
        assert_eq!(admit(&elsewhere, "192.0.2.1").err(), Some(Refusal::AddressFull));
        assert_eq!(admit(&elsewhere, "::ffff:192.0.2.1").err(), Some(Refusal::AddressFull));
        let everywhere = limiter(9, PerAddress::Max(1));
        let held = admit(&everywhere, "127.0.0.1").unwrap();
        assert_eq!(admit(&everywhere, "127.0.0.1").err(), Some(Refusal::AddressFull));
        drop(held);
        assert!(admit(&everywhere, "127.0.0.1").is_ok());
        let _held = admit(&everywhere, "2001:db8:1:2::1").unwrap();
        assert_eq!(admit(&everywhere, "2001:db8:1:2::2").err(), Some(Refusal::AddressFull));
    }

    fn trusting(
        network: &str,
        connections: usize,
        per_address: PerAddress,
    ) -> Arc<ConnectionLimiter> {
        let trusted_proxies = vec![network.to_owned()];
        let http = crate::config::HttpSection { trusted_proxies, ..Default::default() };
        let proxies = Proxies::of(&http).unwrap();
        Arc::new(ConnectionLimiter::new(&Bounds {
            connections,
            per_address,
            proxies,
            ..Bounds::default()
        }))
    }

    #[test]
    fn a_trusted_proxy_is_exempt_from_the_limit_of_an_address_and_its_neighbours_are_not() {
        let limiter = trusting("2001:db8:1:2::9", 20, PerAddress::Max(1));
        let _held: Vec<_> = (0..9).map(|_| admit(&limiter, "2001:db8:1:2::9").unwrap()).collect();
        let _neighbour = admit(&limiter, "2001:db8:1:2::8").unwrap();
        assert_eq!(admit(&limiter, "2001:db8:1:2::8").err(), Some(Refusal::AddressFull));
    }

    #[test]
    fn a_forwarded_connection_counts_for_its_client() {
        let limiter = trusting("10.0.0.0/8", 20, PerAddress::Max(1));
        let client = "192.0.2.1".parse().unwrap();
        let (mut one, _served) = admit(&limiter, "10.0.0.1").unwrap();
        let (mut other, _served) = admit(&limiter, "10.0.0.1").unwrap();
        assert_eq!(one.reassign(client), Ok(()));
        assert_eq!(other.reassign(client), Err(Refusal::AddressFull));
        assert_eq!(admit(&limiter, "192.0.2.1").err(), Some(Refusal::AddressFull));
        drop(one);
        assert_eq!(other.reassign(client), Ok(()));
        drop(other);
        assert!(limiter.counts().by_address.is_empty(), "every address is forgotten");
    }
}
