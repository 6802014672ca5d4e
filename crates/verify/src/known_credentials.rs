//! Credentials that worked lately, by the network that they were presented from.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_domain::client_network::ClientNetwork;
use countersign_domain::device_token::DeviceToken;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::FactorKeySid;

/// How long credentials that worked are remembered.
pub(crate) const WORKED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Credentials that are remembered, at 8 bytes each.
const SLOTS: usize = 1 << 16;
/// The lower bits of a slot: the minute.
const MINUTES: u64 = (1 << 20) - 1;

/// Credentials as a caller presents them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Presented<'a> {
    /// The user and the secret of an application. Hashed and not kept.
    Secret(&'a str, &'a str),
    /// The key that a device token names. A device makes a new token for each request, so its key is what is remembered.
    Key(FactorKeySid),
    /// A text that is not a device token.
    Unreadable,
}

impl<'a> Presented<'a> {
    /// Reads a device token.
    pub(crate) fn by_device(token: &str) -> Self {
        DeviceToken::parse(token).map_or(Self::Unreadable, |token| Self::Key(token.key))
    }
}

/// A hash table of fixed size, in which a newer entry replaces an older one in the same slot. Credentials that lost their slot
/// are not judged while their address is past the limit.
pub(crate) struct KnownCredentials {
    /// Each slot holds a fingerprint in the upper 44 bits, and the minute since the clock's origin in the lower 20. 0 is empty.
    slots: Box<[AtomicU64]>,
    /// Randomly keyed, so that a caller cannot choose which slot to overwrite.
    hasher: RandomState,
}

impl KnownCredentials {
    pub(crate) fn new() -> Self {
        let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self { slots, hasher: RandomState::new() }
    }

    pub(crate) fn note(&self, from: ClientNetwork, presented: Presented<'_>, now: Monotonic) {
        let Some((slot, fingerprint)) = self.slot(from, presented) else { return };
        let entry = fingerprint | minute(now);
        // Most requests would write what is there already. Not writing it keeps the cache line shared between processors.
        if slot.load(Ordering::Relaxed) != entry {
            slot.store(entry, Ordering::Relaxed);
        }
    }

    pub(crate) fn knows(
        &self,
        from: ClientNetwork,
        presented: Presented<'_>,
        now: Monotonic,
    ) -> bool {
        let Some((slot, fingerprint)) = self.slot(from, presented) else { return false };
        let entry = slot.load(Ordering::Relaxed);
        let age = minute(now).wrapping_sub(entry) & MINUTES;
        entry & !MINUTES == fingerprint && age <= WORKED_FOR.as_secs() / 60
    }

    fn slot(&self, from: ClientNetwork, presented: Presented<'_>) -> Option<(&AtomicU64, u64)> {
        let hash = match presented {
            Presented::Secret(user, secret) => self.hash((from, user, secret)),
            Presented::Key(key) => self.hash((from, key)),
            Presented::Unreadable => return None,
        };
        let slot = usize::try_from(hash & MINUTES).ok()? % SLOTS;
        Some((self.slots.get(slot)?, hash & !MINUTES))
    }

    fn hash(&self, of: impl Hash) -> u64 {
        // Never 0, which is an empty slot.
        self.hasher.hash_one(of) | 1 << 63
    }
}

const fn minute(now: Monotonic) -> u64 {
    (now.since_origin().as_secs() / 60) & MINUTES
}
