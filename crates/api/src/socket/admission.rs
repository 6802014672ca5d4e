//! Limits on device streams, above all on unauthenticated ones, which anybody can open.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_domain::client_network::ClientNetwork;
use countersign_verify::security::{Origin, Via};

use crate::error::ApiError;
use crate::rows;

/// Largest numbers of sockets. 0 means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Unauthenticated sockets, in all.
    pub unauthenticated: usize,
    /// Unauthenticated sockets from one address.
    pub unauthenticated_per_address: usize,
    /// Authenticated sockets.
    pub linked: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { unauthenticated: 1_000, unauthenticated_per_address: 20, linked: 0 }
    }
}

/// Reason for rejecting a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdmissionError {
    /// Too many sockets in all.
    Full,
    /// Too many unauthenticated sockets from its address.
    AddressFull,
}

impl From<AdmissionError> for ApiError {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::Full => Self::because(
                &rows::UNAVAILABLE,
                "too many device streams: stream.sockets_max, stream.unauthenticated_max",
            ),
            AdmissionError::AddressFull => Self::because(
                &rows::TOO_MANY_REQUESTS,
                "too many unauthenticated streams from this address: stream.unauthenticated_per_address",
            ),
        }
    }
}

/// Counts sockets and rejects those beyond the limits. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Admission(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    bounds: Bounds,
    unauthenticated: Mutex<Unauthenticated>,
    linked: AtomicUsize,
}

#[derive(Debug, Default)]
struct Unauthenticated {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Admission {
    /// No sockets yet, with these limits.
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Counters { bounds, ..Counters::default() }))
    }

    /// Number of authenticated sockets.
    pub fn linked(&self) -> usize {
        self.0.linked.load(Ordering::Relaxed)
    }

    /// Number of unauthenticated sockets.
    pub fn unauthenticated(&self) -> usize {
        self.0.unauthenticated().total
    }

    /// Counts a new socket, which is unauthenticated.
    pub(super) fn admit(
        &self,
        from: Option<IpAddr>,
    ) -> Result<UnauthenticatedPermit, AdmissionError> {
        let Bounds { unauthenticated, unauthenticated_per_address, .. } = self.0.bounds;
        let (address, from) = (from, from.map(|from| ClientNetwork::of(from).address()));
        let mut counted = self.0.unauthenticated();
        if is_full(counted.total, unauthenticated) {
            return Err(AdmissionError::Full);
        }
        if let Some(from) = from {
            let count = counted.by_address.get(&from).copied().unwrap_or_default();
            if is_full(count, unauthenticated_per_address) {
                return Err(AdmissionError::AddressFull);
            }
            counted.by_address.insert(from, count + 1);
        }
        counted.total += 1;
        Ok(UnauthenticatedPermit { counters: Arc::clone(&self.0), address, from })
    }
}

impl Counters {
    fn unauthenticated(&self) -> MutexGuard<'_, Unauthenticated> {
        // No code that holds the lock can panic halfway through a change.
        self.unauthenticated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn is_full(count: usize, bound: usize) -> bool {
    bound > 0 && count >= bound
}

/// An unauthenticated socket. Dropping it releases its place.
#[derive(Debug)]
pub(super) struct UnauthenticatedPermit {
    counters: Arc<Counters>,
    address: Option<IpAddr>,
    /// The address that it counts for.
    from: Option<IpAddr>,
}

impl UnauthenticatedPermit {
    /// The address that it counts for: for IPv6, the network.
    pub(super) const fn counted_as(&self) -> Option<IpAddr> {
        self.from
    }

    /// Origin of the socket, for the security log.
    pub(super) const fn origin(&self) -> Origin {
        Origin { address: self.address, via: Via::Stream }
    }

    /// Counts the socket as authenticated; `None` if there are too many.
    pub(super) fn link(self) -> Option<LinkedPermit> {
        let bound = self.counters.bounds.linked;
        let before = self.counters.linked.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!("countersign_stream_connections").increment(1.0);
        // From here on, dropping the permit releases it.
        let permit = LinkedPermit(Arc::clone(&self.counters));
        (!is_full(before, bound)).then_some(permit)
    }
}

impl Drop for UnauthenticatedPermit {
    fn drop(&mut self) {
        let mut unauthenticated = self.counters.unauthenticated();
        unauthenticated.total = unauthenticated.total.saturating_sub(1);
        let Some(from) = self.from else { return };
        if let Entry::Occupied(mut count) = unauthenticated.by_address.entry(from) {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// An authenticated socket. Dropping it releases its place.
#[derive(Debug)]
pub(super) struct LinkedPermit(Arc<Counters>);

impl Drop for LinkedPermit {
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
    fn unauthenticated_sockets_are_limited_in_all_and_released() {
        let admission = admission(2, 0, 0);
        let first = admission.admit(None).unwrap();
        let second = admission.admit(address("192.0.2.1")).unwrap();
        assert_eq!(admission.admit(address("192.0.2.2")).unwrap_err(), AdmissionError::Full);
        drop(first);
        let third = admission.admit(None).unwrap();
        assert_eq!(admission.unauthenticated(), 2);
        let permit = second.link().unwrap();
        assert_eq!((admission.unauthenticated(), admission.linked()), (1, 1));
        drop((third, permit));
        assert_eq!((admission.unauthenticated(), admission.linked()), (0, 0));
    }

    #[test]
    fn unauthenticated_sockets_are_limited_per_address() {
        let admission = admission(0, 1, 0);
        let one = admission.admit(address("192.0.2.1")).unwrap();
        let other = admission.admit(address("192.0.2.2")).unwrap();
        assert_eq!(admission.admit(address("192.0.2.1")).unwrap_err(), AdmissionError::AddressFull);
        assert_eq!(
            admission.admit(address("::ffff:192.0.2.1")).unwrap_err(),
            AdmissionError::AddressFull
        );
        assert!(admission.admit(None).is_ok(), "an unknown address has no limit");
        drop((one, other));
        assert!(admission.0.unauthenticated().by_address.is_empty());
        assert!(admission.admit(address("192.0.2.1")).is_ok());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let admission = admission(0, 1, 0);
        let _held = admission.admit(address("2001:db8:1:2::1")).unwrap();
        assert_eq!(
            admission.admit(address("2001:db8:1:2:ff::9")).unwrap_err(),
            AdmissionError::AddressFull
        );
        assert!(admission.admit(address("2001:db8:1:3::1")).is_ok());
    }

    #[test]
    fn authenticated_sockets_are_limited_if_configured() {
        let admission = admission(0, 0, 1);
        let permit = admission.admit(None).unwrap().link();
        assert!(permit.is_some());
        assert!(admission.admit(None).unwrap().link().is_none());
        assert_eq!((admission.unauthenticated(), admission.linked()), (0, 1));
    }
}
