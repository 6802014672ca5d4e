//! A bounded number of permits for each account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_domain::sid::AccountSid;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// At this number of accounts, those that hold no permit are removed.
const SWEEP_AT: usize = 4_096;

/// The permits of all accounts.
pub(super) struct AccountPermits {
    per_account: usize,
    accounts: Mutex<HashMap<AccountSid, Arc<Semaphore>>>,
}

impl AccountPermits {
    /// `per_account` permits for each account.
    pub(super) fn new(per_account: usize) -> Self {
        Self { per_account, accounts: Mutex::default() }
    }

    /// Waits for a permit of an account; `None` if there is none by the deadline.
    pub(super) async fn acquire(
        &self,
        account: AccountSid,
        deadline: Instant,
    ) -> Option<OwnedSemaphorePermit> {
        let permit = timeout_at(deadline, self.of(account).acquire_owned()).await;
        // The semaphore is never closed.
        permit.ok().and_then(Result::ok)
    }

    fn of(&self, account: AccountSid) -> Arc<Semaphore> {
        // A panic while holding the lock cannot leave the map half changed.
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= SWEEP_AT {
            let per_account = self.per_account;
            accounts.retain(|_, permits| permits.available_permits() < per_account);
        }
        let new = || Arc::new(Semaphore::new(self.per_account));
        Arc::clone(accounts.entry(account).or_insert_with(new))
    }
}
