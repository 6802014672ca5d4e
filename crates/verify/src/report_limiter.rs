//! Limits the reports of the console, which read more than any request of the API: one is read at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_domain::sid::AccountSid;
use countersign_store::seam::{NotificationSummary, Scan};
use tokio::sync::{OnceCell, Semaphore};

/// A report on an account's notifications that is being read. Callers that come meanwhile share it.
pub(crate) type SharedReport = Arc<OnceCell<Scan<NotificationSummary>>>;

/// Runs one report at a time.
pub(crate) struct ReportLimiter {
    permit: Semaphore,
    running: Mutex<HashMap<AccountSid, SharedReport>>,
}

impl ReportLimiter {
    pub(crate) fn new() -> Self {
        Self { permit: Semaphore::new(1), running: Mutex::default() }
    }

    /// Reads a report once no other report is being read.
    pub(crate) async fn run<T>(&self, report: impl Future<Output = T>) -> T {
        // The semaphore is never closed.
        let _permit = self.permit.acquire().await;
        report.await
    }

    /// The report that is being read for an account, or a new one.
    pub(crate) fn join(&self, account: AccountSid) -> SharedReport {
        Arc::clone(self.running().entry(account).or_default())
    }

    /// Ends the sharing of a report that was read.
    pub(crate) fn finish(&self, account: AccountSid, report: &SharedReport) {
        let mut running = self.running();
        if running.get(&account).is_some_and(|is| Arc::ptr_eq(is, report)) {
            running.remove(&account);
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<AccountSid, SharedReport>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
