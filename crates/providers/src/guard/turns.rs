//! Turns: of each account so many at once, and the others wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_domain::sid::AccountSid;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Accounts without a turn are forgotten when there are this many.
const MANY: usize = 4_096;

/// How many accounts have how many turns.
pub(super) struct Turns {
    at_once: usize,
    accounts: Mutex<HashMap<AccountSid, Arc<Semaphore>>>,
}

impl Turns {
    /// So many at once for each account.
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_once, accounts: Mutex::default() }
    }

    /// The next turn of an account; `None` if there is none by then.
    pub(super) async fn take(
        &self,
        account: AccountSid,
        deadline: Instant,
    ) -> Option<OwnedSemaphorePermit> {
        let turn = timeout_at(deadline, self.of(account).acquire_owned()).await;
        // It is never closed.
        turn.ok().and_then(Result::ok)
    }

    fn of(&self, account: AccountSid) -> Arc<Semaphore> {
        // Nothing here can be left half changed by a panic.
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MANY {
            let at_once = self.at_once;
            accounts.retain(|_, turns| turns.available_permits() < at_once);
        }
        let fresh = || Arc::new(Semaphore::new(self.at_once));
        Arc::clone(accounts.entry(account).or_insert_with(fresh))
    }
}
