//! Whether writing works, known without writing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::{StoreError, StoreResult};

/// The interval at which a store tries to write after a command has failed.
pub const PROBE_EVERY: Duration = Duration::from_secs(1);

/// The outcome of the last command.
#[derive(Debug, Default)]
pub struct Health {
    is_failing: AtomicBool,
    error: Mutex<Option<StoreError>>,
    has_prober: AtomicBool,
}

impl Health {
    /// Records the outcome of a command. Only an unavailable database counts as a failure. Returns whether the caller must
    /// start a prober, since the next command may come late.
    pub fn record(&self, error: Option<&StoreError>) -> bool {
        match error {
            None if !self.is_failing.load(Ordering::Acquire) => false,
            None => {
                self.is_failing.store(false, Ordering::Release);
                false
            }
            Some(StoreError::Corrupt(_)) => false,
            Some(error @ StoreError::Unavailable(_)) => {
                *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
                self.is_failing.store(true, Ordering::Release);
                !self.has_prober.swap(true, Ordering::AcqRel)
            }
        }
    }

    /// Returns whether the last command succeeded.
    ///
    /// # Errors
    /// The failure of the last command.
    pub fn status(&self) -> StoreResult<()> {
        if !self.is_failing.load(Ordering::Acquire) {
            return Ok(());
        }
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Err(error.unwrap_or_else(|| StoreError::Unavailable("the last write failed".to_owned())))
    }

    /// Returns whether the prober continues: as long as the last command failed. The prober must stop when this returns false.
    pub fn keep_probing(&self) -> bool {
        if self.is_failing.load(Ordering::Acquire) {
            return true;
        }
        self.has_prober.store(false, Ordering::Release);
        // A command that failed in between saw a prober running, and started none.
        self.is_failing.load(Ordering::Acquire) && !self.has_prober.swap(true, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> StoreError {
        StoreError::Unavailable("the disk is full".to_owned())
    }

    #[test]
    fn a_failure_is_remembered_until_a_command_succeeds() {
        let health = Health::default();
        assert!(!health.record(None));
        assert_eq!(health.status(), Ok(()));
        assert!(health.record(Some(&full())), "a prober must be started");
        assert!(!health.record(Some(&full())), "a prober is running");
        assert_eq!(health.status(), Err(full()));
        assert!(health.keep_probing());
        assert!(!health.record(None));
        assert_eq!(health.status(), Ok(()));
        assert!(!health.keep_probing(), "the last command succeeded");
        assert!(health.record(Some(&full())), "another prober must be started");
    }

    #[test]
    fn a_corrupt_row_does_not_make_the_database_unavailable() {
        let health = Health::default();
        assert!(!health.record(Some(&StoreError::Corrupt("a row".to_owned()))));
        assert_eq!(health.status(), Ok(()));
    }
}
