//! Bounds on sockets: above all on those that have not said who they are, which anybody can open.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_domain::household::Household;
use countersign_verify::security::{Origin, Via};

use crate::error::ApiError;
use crate::rows;

/// How many sockets there may be. 0 means: as many as come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// That have not said who they are, in all.
    pub unauthenticated: usize,
    /// The same, from one address.
    pub unauthenticated_per_address: usize,
    /// That have.
    pub linked: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { unauthenticated: 1_000, unauthenticated_per_address: 20, linked: 0 }
    }
}

/// Why a socket is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// Too many in all.
    Full,
    /// Too many from its address.
    AddressFull,
}

impl From<Turned> for ApiError {
    fn from(turned: Turned) -> Self {
        match turned {
            Turned::Full => Self::because(
                &rows::UNAVAILABLE,
                "too many device streams: stream.sockets_max, stream.unauthenticated_max",
            ),
            Turned::AddressFull => Self::because(
                &rows::TOO_MANY_REQUESTS,
                "too many streams of this address have not said who they are: stream.unauthenticated_per_address",
            ),
        }
    }
}

/// Counts sockets, and turns away those beyond the bounds. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Admission(Arc<Door>);

#[derive(Debug, Default)]
struct Door {
    bounds: Bounds,
    strangers: Mutex<Strangers>,
    linked: AtomicUsize,
}

#[derive(Debug, Default)]
struct Strangers {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Admission {
    /// With these bounds, and nobody there yet.
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Door { bounds, ..Door::default() }))
    }

    /// How many sockets there are of devices that are known.
    pub fn linked(&self) -> usize {
        self.0.linked.load(Ordering::Relaxed)
    }

    /// How many sockets there are that have not said who they are.
    pub fn unauthenticated(&self) -> usize {
        self.0.strangers().total
    }

    /// Lets a stranger in.
    pub(super) fn admit(&self, from: Option<IpAddr>) -> Result<Stranger, Turned> {
        let Bounds { unauthenticated, unauthenticated_per_address, .. } = self.0.bounds;
        let (address, from) = (from, from.map(|from| Household::of(from).address()));
        let mut strangers = self.0.strangers();
        if is_full(strangers.total, unauthenticated) {
            return Err(Turned::Full);
        }
        if let Some(from) = from {
            let count = strangers.by_address.get(&from).copied().unwrap_or_default();
            if is_full(count, unauthenticated_per_address) {
                return Err(Turned::AddressFull);
            }
            strangers.by_address.insert(from, count + 1);
        }
        strangers.total += 1;
        Ok(Stranger { door: Arc::clone(&self.0), address, from })
    }
}

impl Door {
    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        // Counting cannot panic half way.
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn is_full(count: usize, bound: usize) -> bool {
    bound > 0 && count >= bound
}

/// The place of a socket that has not said who it is. Dropped, it is free again.
#[derive(Debug)]
pub(super) struct Stranger {
    door: Arc<Door>,
    address: Option<IpAddr>,
    /// What its address is counted as.
    from: Option<IpAddr>,
}

impl Stranger {
    /// What its address is counted as: of an IPv6 address the network.
    pub(super) const fn counted_as(&self) -> Option<IpAddr> {
        self.from
    }

    /// Where it came from, for the security log.
    pub(super) const fn origin(&self) -> Origin {
        Origin { address: self.address, via: Via::Stream }
    }

    /// Turns it into the place of a device that is known; `None` if there are too many of them.
    pub(super) fn link(self) -> Option<Guest> {
        let bound = self.door.bounds.linked;
        let before = self.door.linked.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!("countersign_stream_connections").increment(1.0);
        // From here on dropping it takes it off the count.
        let guest = Guest(Arc::clone(&self.door));
        (!is_full(before, bound)).then_some(guest)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut strangers = self.door.strangers();
        strangers.total = strangers.total.saturating_sub(1);
        let Some(from) = self.from else { return };
        if let Entry::Occupied(mut count) = strangers.by_address.entry(from) {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// The place of a device that is known. Dropped, it is free again.
#[derive(Debug)]
pub(super) struct Guest(Arc<Door>);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.linked.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("countersign_stream_connections").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(
        unauthenticated: usize,
        unauthenticated_per_address: usize,
        linked: usize,
    ) -> Admission {
        Admission::new(Bounds { unauthenticated, unauthenticated_per_address, linked })
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn strangers_are_bounded_in_all_and_places_come_back() {
        let admission = admission(2, 0, 0);
        let first = admission.admit(None).unwrap();
        let second = admission.admit(address("192.0.2.1")).unwrap();
        assert_eq!(admission.admit(address("192.0.2.2")).unwrap_err(), Turned::Full);
        drop(first);
        let third = admission.admit(None).unwrap();
        assert_eq!(admission.unauthenticated(), 2);
        let guest = second.link().unwrap();
        assert_eq!((admission.unauthenticated(), admission.linked()), (1, 1));
        drop((third, guest));
        assert_eq!((admission.unauthenticated(), admission.linked()), (0, 0));
    }

    #[test]
    fn strangers_are_bounded_per_address_and_addresses_are_forgotten() {
        let admission = admission(0, 1, 0);
        let one = admission.admit(address("192.0.2.1")).unwrap();
        let other = admission.admit(address("192.0.2.2")).unwrap();
        assert_eq!(admission.admit(address("192.0.2.1")).unwrap_err(), Turned::AddressFull);
        assert_eq!(admission.admit(address("::ffff:192.0.2.1")).unwrap_err(), Turned::AddressFull);
        assert!(admission.admit(None).is_ok(), "no address is nobody's address");
        drop((one, other));
        assert!(admission.0.strangers().by_address.is_empty());
        assert!(admission.admit(address("192.0.2.1")).is_ok());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let admission = admission(0, 1, 0);
        let _held = admission.admit(address("2001:db8:1:2::1")).unwrap();
        assert_eq!(
            admission.admit(address("2001:db8:1:2:ff::9")).unwrap_err(),
            Turned::AddressFull
        );
        assert!(admission.admit(address("2001:db8:1:3::1")).is_ok());
    }

    #[test]
    fn known_devices_are_bounded_if_asked_for() {
        let admission = admission(0, 0, 1);
        let guest = admission.admit(None).unwrap().link();
        assert!(guest.is_some());
        assert!(admission.admit(None).unwrap().link().is_none());
        assert_eq!((admission.unauthenticated(), admission.linked()), (0, 1));
    }
}
