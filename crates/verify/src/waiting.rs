//! Long polls: bounded in number for each account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_domain::sid::AccountSid;

/// How many requests of one account may wait at a time; more are answered at once.
pub const MOST_PER_ACCOUNT: u32 = 1_000;

/// Counts who waits.
#[derive(Clone, Default)]
pub(crate) struct Waiters(Arc<Mutex<HashMap<AccountSid, u32>>>);

/// One who waits. Dropped, the place is free again.
pub(crate) struct Waiter {
    all: Waiters,
    account: AccountSid,
}

impl Waiters {
    /// A place to wait, if one is free.
    pub(crate) fn enter(&self, account: AccountSid) -> Option<Waiter> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(account).or_default();
        if *count >= MOST_PER_ACCOUNT {
            return None;
        }
        *count += 1;
        Some(Waiter { all: self.clone(), account })
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut counts = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.account);
            }
        }
    }
}
