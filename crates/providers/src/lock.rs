//! Locks a mutex whose value a panic cannot leave half changed.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic while the lock was held.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
