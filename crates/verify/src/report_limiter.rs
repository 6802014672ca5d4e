//! Limits the reports of the console, which read more than any request of the API: one is read at a time.

use tokio::sync::Semaphore;

/// Runs one report at a time.
pub(crate) struct ReportLimiter(Semaphore);

impl ReportLimiter {
    pub(crate) fn new() -> Self {
        Self(Semaphore::new(1))
    }

    /// Reads a report once no other report is being read.
    pub(crate) async fn run<T>(&self, report: impl Future<Output = T>) -> T {
        // The semaphore is never closed.
        let _permit = self.0.acquire().await;
        report.await
    }
}
