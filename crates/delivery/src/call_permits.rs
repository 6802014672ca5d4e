//! Permits for webhook calls in flight, counted by account, and the limit of each webhook.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_domain::call_permits::{CallConcurrency, PermitPool};
use countersign_domain::sid::{AccountSid, WebhookSid};
use countersign_domain::webhook_call::CallOutcome;

/// Calls in flight at most, of all webhooks.
const IN_FLIGHT: usize = 256;

/// The permits that are taken, by account. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct CallPermits(Arc<Mutex<HashMap<AccountSid, usize>>>);

/// The right to have one call in flight.
pub(crate) struct CallPermit {
    permits: CallPermits,
    account: AccountSid,
}

impl CallPermits {
    /// The permits that are free, and those that accounts hold.
    pub(crate) fn current(&self) -> PermitPool {
        let held = lock(&self.0).clone();
        PermitPool { free: IN_FLIGHT.saturating_sub(held.values().sum()), held }
    }

    /// Takes a permit for an account.
    pub(crate) fn take(&self, account: AccountSid) -> CallPermit {
        *lock(&self.0).entry(account).or_default() += 1;
        CallPermit { permits: self.clone(), account }
    }
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        let mut held = lock(&self.permits.0);
        if let Some(of_account) = held.get_mut(&self.account) {
            *of_account -= 1;
            if *of_account == 0 {
                held.remove(&self.account);
            }
        }
    }
}

/// How many calls of each webhook may be in flight. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct SharedConcurrency(Arc<Mutex<CallConcurrency>>);

impl SharedConcurrency {
    /// Adjusts the limit of a webhook after a call.
    pub(crate) fn note(&self, webhook: WebhookSid, outcome: &CallOutcome, took: Duration) {
        lock(&self.0).record(webhook, outcome, took);
    }

    /// The present limits.
    pub(crate) fn current(&self) -> CallConcurrency {
        lock(&self.0).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while holding the lock cannot leave a value half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
