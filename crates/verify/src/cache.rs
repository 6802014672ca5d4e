//! A cache of records that most requests read: at most ten seconds stale, or a minute while the database cannot be read.
//!
//! Missing keys are remembered for a second, apart from the values, so that requests for unknown keys cause one read a second
//! and cannot evict values.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_store::StoreError;

/// A value is read again when it is this old. A lost invalidation delays a revocation by no more.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// How old a value may be while the database cannot be read.
const USABLE_FOR: Duration = Duration::from_secs(60);
/// How long a key is remembered as missing. A record that another process creates may be missing here for as long.
const MISSING_FOR: Duration = Duration::from_secs(1);
/// Missing keys that are remembered at a time. Unauthenticated callers choose them.
const MAX_MISSING: u64 = 10_000;

/// Keys without a record, remembered for a second.
pub(crate) struct Missing<K>(moka::sync::Cache<K, Monotonic>);

impl<K: Hash + Eq + Copy + Send + Sync + 'static> Missing<K> {
    pub(crate) fn new() -> Self {
        Self(moka::sync::Cache::new(MAX_MISSING))
    }

    /// Whether `key` was missing within the last second.
    pub(crate) fn holds(&self, key: &K, now: Monotonic) -> bool {
        self.0.get(key).is_some_and(|missed_at| now < missed_at + MISSING_FOR)
    }

    /// Remembers that `key` was missing at `now`.
    pub(crate) fn note(&self, key: K, now: Monotonic) {
        self.0.insert(key, now);
    }

    fn forget(&self, key: &K) {
        self.0.invalidate(key);
    }
}

/// Values by key, up to a number of them.
pub(crate) struct Cache<K, V> {
    values: moka::sync::Cache<K, (Monotonic, Arc<V>)>,
    missing: Missing<K>,
    /// Counts invalidations: a value that was read before one must not be stored after it.
    forgotten: AtomicU64,
}

impl<K: Hash + Eq + Copy + Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    pub(crate) fn new(most: u64) -> Self {
        Self {
            values: moka::sync::Cache::new(most),
            missing: Missing::new(),
            forgotten: AtomicU64::new(0),
        }
    }

    /// Returns the value of `key`, and calls `read` if no fresh value is cached.
    pub(crate) async fn get(
        &self,
        key: K,
        now: Monotonic,
        read: impl Future<Output = Result<Option<V>, StoreError>>,
    ) -> Result<Option<Arc<V>>, StoreError> {
        let known = self.values.get(&key);
        if let Some((read_at, value)) = &known
            && now < *read_at + FRESH_FOR
        {
            return Ok(Some(Arc::clone(value)));
        }
        if known.is_none() && self.missing.holds(&key, now) {
            return Ok(None);
        }
        let forgotten = self.forgotten.load(Ordering::Acquire);
        let is_current = || self.forgotten.load(Ordering::Acquire) == forgotten;
        match (read.await, known) {
            (Ok(Some(value)), _) => {
                let value = Arc::new(value);
                if is_current() {
                    self.values.insert(key, (now, Arc::clone(&value)));
                }
                Ok(Some(value))
            }
            (Ok(None), _) => {
                self.values.invalidate(&key);
                if is_current() {
                    self.missing.note(key, now);
                }
                Ok(None)
            }
            (Err(_), Some((read_at, value))) if now < read_at + USABLE_FOR => Ok(Some(value)),
            (Err(error), _) => Err(error),
        }
    }

    /// Forgets the values of which `is_meant` holds. Looks at all of them.
    pub(crate) fn forget_where(&self, is_meant: impl Fn(&V) -> bool) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        for (key, (_, value)) in &self.values {
            if is_meant(&value) {
                self.values.invalidate(&*key);
            }
        }
    }

    /// Forgets the value of `key`, and that it was missing.
    pub(crate) fn forget(&self, key: &K) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.values.invalidate(key);
        self.missing.forget(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::after_origin(Duration::from_secs(1_000 + seconds))
    }

    fn down() -> StoreError {
        StoreError::Unavailable("down".into())
    }

    #[tokio::test]
    async fn a_value_is_fresh_for_ten_seconds_and_usable_for_a_minute() {
        let cache = Cache::new(10);
        assert_eq!(*cache.get(1, at(0), ready(Ok(Some("a")))).await.unwrap().unwrap(), "a");
        assert_eq!(*cache.get(1, at(9), ready(Ok(Some("b")))).await.unwrap().unwrap(), "a");
        assert_eq!(*cache.get(1, at(10), ready(Ok(Some("b")))).await.unwrap().unwrap(), "b");
        assert_eq!(*cache.get(1, at(69), ready(Err(down()))).await.unwrap().unwrap(), "b");
        assert_eq!(cache.get(1, at(70), ready(Err(down()))).await, Err(down()));
    }

    #[tokio::test]
    async fn a_missing_key_is_read_once_a_second() {
        let cache = Cache::new(10);
        let just_before = at(1) - Duration::from_micros(1);
        assert_eq!(cache.get(1, at(0), ready(Ok(None::<&str>))).await, Ok(None));
        assert_eq!(cache.get(1, just_before, ready(Ok(Some("new")))).await, Ok(None));
        assert_eq!(cache.get(1, just_before, ready(Err(down()))).await, Ok(None));
        assert_eq!(*cache.get(1, at(1), ready(Ok(Some("new")))).await.unwrap().unwrap(), "new");
        assert_eq!(cache.get(2, at(1), ready(Ok(None))).await, Ok(None));
        cache.forget(&2);
        let found = cache.get(2, at(1), ready(Ok(Some("made")))).await.unwrap();
        assert_eq!(*found.unwrap(), "made", "the invalidation forgets that it was missing");
    }

    #[tokio::test]
    async fn a_record_that_is_created_during_a_read_is_not_missing_afterwards() {
        let cache = Cache::new(10);
        let read = async {
            cache.forget(&1);
            Ok(None)
        };
        assert_eq!(cache.get(1, at(0), read).await, Ok(None));
        assert_eq!(*cache.get(1, at(0), ready(Ok(Some("new")))).await.unwrap().unwrap(), "new");
    }

    #[tokio::test]
    async fn unknown_keys_evict_no_value() {
        let cache = Cache::new(10);
        cache.get(0, at(0), ready(Ok(Some("kept")))).await.unwrap();
        for key in 1..=2 * MAX_MISSING {
            cache.get(key, at(0), ready(Ok(None))).await.unwrap();
        }
        cache.missing.0.run_pending_tasks();
        assert!(cache.missing.0.entry_count() <= MAX_MISSING);
        assert_eq!(*cache.get(0, at(1), ready(Err(down()))).await.unwrap().unwrap(), "kept");
    }

    #[tokio::test]
    async fn values_are_forgotten_by_what_they_are() {
        let cache = Cache::new(10);
        for (key, value) in [(1, "a"), (2, "b")] {
            cache.get(key, at(0), ready(Ok(Some(value)))).await.unwrap();
        }
        cache.forget_where(|value| *value == "a");
        assert_eq!(*cache.get(1, at(1), ready(Ok(Some("new")))).await.unwrap().unwrap(), "new");
        assert_eq!(*cache.get(2, at(1), ready(Ok(Some("new")))).await.unwrap().unwrap(), "b");
    }

    #[tokio::test]
    async fn a_value_that_is_forgotten_during_its_read_is_not_stored() {
        let cache = Cache::new(10);
        let read = async {
            cache.forget(&1);
            Ok(Some("old"))
        };
        cache.get(1, at(0), read).await.unwrap();
        assert_eq!(*cache.get(1, at(1), ready(Ok(Some("new")))).await.unwrap().unwrap(), "new");
    }
}
