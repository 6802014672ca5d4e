//! How writing fares, known without writing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::StoreError;

/// How often a store tries to write after a command has failed.
pub const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What the last command came to.
#[derive(Debug, Default)]
pub struct Health {
    is_ill: AtomicBool,
    fault: Mutex<Option<StoreError>>,
    is_probed: AtomicBool,
}

impl Health {
    /// Notes what a command came to. Only a database that is unavailable counts. Answers whether somebody has to begin to
    /// probe, since the next command may be long in coming.
    pub fn note(&self, fault: Option<&StoreError>) -> bool {
        match fault {
            None if !self.is_ill.load(Ordering::Acquire) => false,
            None => {
                self.is_ill.store(false, Ordering::Release);
                false
            }
            Some(StoreError::Corrupt(_)) => false,
            Some(fault @ StoreError::Unavailable(_)) => {
                *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.clone());
                self.is_ill.store(true, Ordering::Release);
                !self.is_probed.swap(true, Ordering::AcqRel)
            }
        }
    }

    /// Why the last command failed, if it did.
    ///
    /// # Errors
    /// That.
    pub fn outcome(&self) -> Result<(), StoreError> {
        if !self.is_ill.load(Ordering::Acquire) {
            return Ok(());
        }
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Err(fault.unwrap_or_else(|| StoreError::Unavailable("the last write failed".to_owned())))
    }

    /// Whether the prober goes on: as long as the last command failed. It must stop when this says no.
    pub fn goes_on(&self) -> bool {
        if self.is_ill.load(Ordering::Acquire) {
            return true;
        }
        self.is_probed.store(false, Ordering::Release);
        // A command that failed in between found a prober at work, and relies on it.
        self.is_ill.load(Ordering::Acquire) && !self.is_probed.swap(true, Ordering::AcqRel)
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
        assert!(!health.note(None));
        assert_eq!(health.outcome(), Ok(()));
        assert!(health.note(Some(&full())), "somebody has to probe");
        assert!(!health.note(Some(&full())), "somebody does");
        assert_eq!(health.outcome(), Err(full()));
        assert!(health.goes_on());
        assert!(!health.note(None));
        assert_eq!(health.outcome(), Ok(()));
        assert!(!health.goes_on(), "all is well");
        assert!(health.note(Some(&full())), "and again");
    }

    #[test]
    fn a_bad_row_says_nothing_about_the_database() {
        let health = Health::default();
        assert!(!health.note(Some(&StoreError::Corrupt("a row".to_owned()))));
        assert_eq!(health.outcome(), Ok(()));
    }
}
