//! How many connections there are, in all and from each address, and which of them are closed to make room.

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

/// When there is no room, one in so many connections is closed at once if it is idle: looking for one takes a look at all.
const SHARE_TO_CLOSE: usize = 64;

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There are too many, and none is idle.
    Full,
    /// Its address has too many.
    AddressFull,
}

/// A connection, as others see it: its requests, and a way to tell it to end.
pub(super) struct Connection {
    pub(super) requests: Arc<Requests>,
    order: AtomicU8,
    told: Notify,
}

/// What a connection is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Answer what is open, then end.
    Finish,
    /// End now: the room is needed, and no request is open.
    Leave,
}

impl Connection {
    fn new(now: Instant) -> Self {
        let requests = Arc::new(Requests::new(now));
        Self { requests, order: AtomicU8::new(0), told: Notify::new() }
    }

    fn tell(&self, order: Order) {
        self.order.store(order as u8 + 1, Ordering::Release);
        self.told.notify_one();
    }

    /// Waits for the next order.
    pub(super) async fn order(&self) -> Order {
        loop {
            self.told.notified().await;
            match self.order.load(Ordering::Acquire) {
                0 => {}
                1 => return Order::Finish,
                _ => return Order::Leave,
            }
        }
    }
}

/// All connections of a listener.
pub(super) struct Crowd {
    most: usize,
    per_address: PerAddress,
    proxies: Proxies,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
    /// Those that are served; a connection that became a device stream is no longer among them.
    served: HashMap<u64, Arc<Connection>>,
    /// Those of them that have been told to leave.
    leaving: usize,
    next: u64,
}

impl Crowd {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let Bounds { connections, per_address, ref proxies, .. } = *bounds;
        let (most, proxies) = (connections.max(1), proxies.clone());
        Self { most, per_address, proxies, counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Counting cannot panic half way.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection that has come. If there is no room, idle ones are closed for it.
    pub(super) fn admit(
        self: &Arc<Self>,
        from: IpAddr,
        now: Instant,
    ) -> Result<(Place, Served), Refusal> {
        let mut counts = self.counts();
        let address = self.counted(from);
        if counts.of(address) >= self.most_of(from) {
            return Err(Refusal::AddressFull);
        }
        if counts.total.saturating_sub(counts.leaving) >= self.most
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
        let place = Place { crowd: Arc::clone(self), address };
        Ok((place, Served { crowd: Arc::clone(self), number, connection }))
    }

    /// The address that a connection counts for. A trusted proxy connects for all its clients and is not counted.
    fn counted(&self, from: IpAddr) -> Option<IpAddr> {
        (!self.proxies.trust(from)).then(|| ClientNetwork::of(from).address())
    }

    fn most_of(&self, address: IpAddr) -> usize {
        match self.per_address {
            PerAddress::Most(most) => most,
            PerAddress::MostFromElsewhere(most) if !address.is_loopback() => most,
            PerAddress::MostFromElsewhere(_) | PerAddress::Unbounded => usize::MAX,
        }
    }

    /// Closes idle connections; tells how many.
    pub(super) fn make_room(&self) -> usize {
        self.counts().make_room(self.most)
    }

    /// Tells every connection to answer what is open, and to end.
    pub(super) fn finish(&self) {
        self.counts().served.values().for_each(|connection| connection.tell(Order::Finish));
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
        let idle = self.served.values().filter(|it| it.order.load(Ordering::Acquire) == 0);
        let mut idle: Vec<_> =
            idle.filter_map(|it| Some((it.requests.idle()?, Arc::clone(it)))).collect();
        idle.sort_by_key(|(idle, _)| *idle);
        idle.truncate(most.div_ceil(SHARE_TO_CLOSE));
        for (_, connection) in &idle {
            connection.tell(Order::Leave);
        }
        self.leaving += idle.len();
        idle.len()
    }
}

/// The place of a connection, held by its socket. Dropped, it is free again.
pub(super) struct Place {
    crowd: Arc<Crowd>,
    /// The address that it counts for.
    address: Option<IpAddr>,
}

impl Place {
    /// Counts the connection for the client that a proxy passes it on for.
    pub(super) fn pass_to(&mut self, client: IpAddr) -> Result<(), Refusal> {
        let mut counts = self.crowd.counts();
        let address = self.crowd.counted(client);
        if counts.of(address) >= self.crowd.most_of(client) {
            return Err(Refusal::AddressFull);
        }
        counts.remove(self.address);
        counts.add(address);
        self.address = address;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::gauge!("countersign_http_connections").decrement(1.0);
        let mut counts = self.crowd.counts();
        counts.total = counts.total.saturating_sub(1);
        counts.remove(self.address);
    }
}

/// A connection while it is served.
pub(super) struct Served {
    crowd: Arc<Crowd>,
    number: u64,
    pub(super) connection: Arc<Connection>,
}

impl Served {
    /// Takes back the order to leave.
    pub(super) fn stay(&self) {
        let mut counts = self.crowd.counts();
        self.connection.order.store(0, Ordering::Release);
        counts.leaving = counts.leaving.saturating_sub(1);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts();
        counts.served.remove(&self.number);
        if self.connection.order.load(Ordering::Acquire) == Order::Leave as u8 + 1 {
            counts.leaving = counts.leaving.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(connections: usize, per_address: PerAddress) -> Arc<Crowd> {
        Arc::new(Crowd::new(&Bounds { connections, per_address, ..Bounds::default() }))
    }

    fn admit(crowd: &Arc<Crowd>, from: &str) -> Result<(Place, Served), Refusal> {
        crowd.admit(from.parse().unwrap(), Instant::now())
    }

    #[tokio::test]
    async fn without_room_the_connection_that_is_idle_longest_is_closed() {
        let crowd = crowd(2, PerAddress::Unbounded);
        let (_place, busy) = admit(&crowd, "192.0.2.1").unwrap();
        let open = busy.connection.requests.open();
        let idle = admit(&crowd, "192.0.2.2").unwrap();
        let _third = admit(&crowd, "192.0.2.3").unwrap();
        assert_eq!(idle.1.connection.order().await, Order::Leave);
        drop(idle);
        let fourth = admit(&crowd, "192.0.2.4").unwrap();
        let _held = fourth.1.connection.requests.open();
        assert_eq!(admit(&crowd, "192.0.2.5").err(), Some(Refusal::Full), "the others are busy");
        drop(open);
    }

    #[test]
    fn when_none_is_idle_one_more_is_refused() {
        let crowd = crowd(1, PerAddress::Unbounded);
        let (place, served) = admit(&crowd, "192.0.2.1").unwrap();
        let open = served.connection.requests.open();
        assert_eq!(admit(&crowd, "192.0.2.2").err(), Some(Refusal::Full));
        // A device stream: the socket stays, and no request is served on it.
        drop((open, served));
        assert_eq!(admit(&crowd, "192.0.2.2").err(), Some(Refusal::Full));
        drop(place);
        assert!(admit(&crowd, "192.0.2.2").is_ok());
    }

    #[test]
    fn an_address_has_a_bound_of_its_own_and_this_machine_only_if_that_is_set() {
        let elsewhere = crowd(9, PerAddress::MostFromElsewhere(1));
        let _held = ["192.0.2.1", "127.0.0.1", "127.0.0.1", "::1", "::1"]
            .map(|from| admit(&elsewhere, from).unwrap());
        assert_eq!(admit(&elsewhere, "192.0.2.1").err(), Some(Refusal::AddressFull));
        assert_eq!(admit(&elsewhere, "::ffff:192.0.2.1").err(), Some(Refusal::AddressFull));
        let everywhere = crowd(9, PerAddress::Most(1));
        let held = admit(&everywhere, "127.0.0.1").unwrap();
        assert_eq!(admit(&everywhere, "127.0.0.1").err(), Some(Refusal::AddressFull));
        drop(held);
        assert!(admit(&everywhere, "127.0.0.1").is_ok());
        let _held = admit(&everywhere, "2001:db8:1:2::1").unwrap();
        assert_eq!(admit(&everywhere, "2001:db8:1:2::2").err(), Some(Refusal::AddressFull));
    }

    fn trusting(network: &str, connections: usize, per_address: PerAddress) -> Arc<Crowd> {
        let trusted_proxies = vec![network.to_owned()];
        let http = crate::config::Http { trusted_proxies, ..Default::default() };
        let proxies = Proxies::of(&http).unwrap();
        Arc::new(Crowd::new(&Bounds { connections, per_address, proxies, ..Bounds::default() }))
    }

    #[test]
    fn a_trusted_proxy_has_no_bound_of_one_address_and_its_neighbours_have() {
        let crowd = trusting("2001:db8:1:2::9", 20, PerAddress::Most(1));
        let _held: Vec<_> = (0..9).map(|_| admit(&crowd, "2001:db8:1:2::9").unwrap()).collect();
        let _neighbour = admit(&crowd, "2001:db8:1:2::8").unwrap();
        assert_eq!(admit(&crowd, "2001:db8:1:2::8").err(), Some(Refusal::AddressFull));
    }

    #[test]
    fn a_connection_that_a_proxy_passes_on_counts_for_its_client() {
        let crowd = trusting("10.0.0.0/8", 20, PerAddress::Most(1));
        let client = "192.0.2.1".parse().unwrap();
        let (mut one, _served) = admit(&crowd, "10.0.0.1").unwrap();
        let (mut other, _served) = admit(&crowd, "10.0.0.1").unwrap();
        assert_eq!(one.pass_to(client), Ok(()));
        assert_eq!(other.pass_to(client), Err(Refusal::AddressFull));
        assert_eq!(admit(&crowd, "192.0.2.1").err(), Some(Refusal::AddressFull));
        drop(one);
        assert_eq!(other.pass_to(client), Ok(()));
        drop(other);
        assert!(crowd.counts().by_address.is_empty(), "every address is forgotten");
    }
}
