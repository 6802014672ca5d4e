//! The counts that all permits share.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_domain::sid::{AccessTokenSid, AccountSid, FactorSid};
use foldhash::fast::RandomState;

use super::limits::{ConcurrencyLimits, OverloadError};

/// The key that requests are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    Address(IpAddr),
    Account(AccountSid),
    Factor(FactorSid),
    Token(AccessTokenSid),
}

/// The requests of one owner.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) working: usize,
    /// Long polls, which have limits of their own.
    pub(super) waiting: usize,
    /// Bytes of the responses that are still to be sent.
    pub(super) unsent: usize,
}

/// The limits, and everything that is counted.
pub(super) struct Counters {
    pub(super) limits: ConcurrencyLimits,
    pub(super) working: AtomicUsize,
    counts: Mutex<Counts>,
}

/// Counts that change together.
#[derive(Default)]
pub(super) struct Counts {
    /// Requests that wait without good credentials.
    pub(super) unauthenticated: usize,
    pub(super) waiting: usize,
    pub(super) unsent: usize,
    /// Read several times per request. Callers do not choose enough of the keys to make a fast hash costly.
    pub(super) by_owner: HashMap<Owner, Count, RandomState>,
}

impl Counters {
    pub(super) fn new(limits: ConcurrencyLimits) -> Self {
        Self { limits, working: AtomicUsize::new(0), counts: Mutex::default() }
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        // No code between lock and unlock can panic.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Counts a request of an owner, up to `limit`.
    ///
    /// # Errors
    /// [`OverloadError::Owner`].
    pub(super) fn add(&mut self, owner: Owner, limit: usize) -> Result<(), OverloadError> {
        let count = self.by_owner.entry(owner).or_default();
        // An owner without requests is below every limit, so no empty count is left behind.
        if is_full(count.working, limit) {
            return Err(OverloadError::Owner);
        }
        count.working += 1;
        Ok(())
    }

    pub(super) fn remove(&mut self, owner: Owner) {
        if let Entry::Occupied(mut count) = self.by_owner.entry(owner) {
            count.get_mut().working = count.get().working.saturating_sub(1);
            if count.get().working + count.get().waiting == 0 {
                count.remove();
            }
        }
    }
}

pub(super) const fn is_full(count: usize, limit: usize) -> bool {
    limit > 0 && count >= limit
}

pub(super) const fn would_exceed(count: usize, more: usize, limit: usize) -> bool {
    limit > 0 && count.saturating_add(more) > limit
}
