//! Hot reads kept in memory: account secrets and service settings, at most ten seconds stale, and at most a minute
//! without a database.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_domain::time::Instant;
use countersign_store::StoreError;

/// After this long a value is read again, so a lost invalidation delays a revocation by no more.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// While the database cannot be read, a value serves for this long.
const USABLE_FOR: Duration = Duration::from_secs(60);

/// Values by key, bounded in number.
pub(crate) struct Cache<K, V> {
    values: moka::sync::Cache<K, (Instant, Arc<V>)>,
    /// Counts invalidations: a value read before one must not be kept after it.
    forgotten: AtomicU64,
}

impl<K: Hash + Eq + Copy + Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    pub(crate) fn new(most: u64) -> Self {
        Self { values: moka::sync::Cache::new(most), forgotten: AtomicU64::new(0) }
    }

    /// The value of `key`, by `read` if it is not known well enough. What does not exist is not remembered.
    pub(crate) async fn get(
        &self,
        key: K,
        now: Instant,
        read: impl Future<Output = Result<Option<V>, StoreError>>,
    ) -> Result<Option<Arc<V>>, StoreError> {
        let known = self.values.get(&key);
        if let Some((read_at, value)) = &known
            && now < *read_at + FRESH_FOR
        {
            return Ok(Some(Arc::clone(value)));
        }
        let forgotten = self.forgotten.load(Ordering::Acquire);
        match (read.await, known) {
            (Ok(Some(value)), _) => {
                let value = Arc::new(value);
                if self.forgotten.load(Ordering::Acquire) == forgotten {
                    self.values.insert(key, (now, Arc::clone(&value)));
                }
                Ok(Some(value))
            }
            (Ok(None), _) => {
                self.values.invalidate(&key);
                Ok(None)
            }
            (Err(_), Some((read_at, value))) if now < read_at + USABLE_FOR => Ok(Some(value)),
            (Err(error), _) => Err(error),
        }
    }

    /// Forgets a value that has changed.
    pub(crate) fn forget(&self, key: &K) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.values.invalidate(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    fn at(seconds: i64) -> Instant {
        Instant::from_seconds(1_000 + seconds)
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
    async fn what_is_forgotten_while_it_is_read_is_not_kept() {
        let cache = Cache::new(10);
        let read = async {
            cache.forget(&1);
            Ok(Some("old"))
        };
        cache.get(1, at(0), read).await.unwrap();
        assert_eq!(*cache.get(1, at(1), ready(Ok(Some("new")))).await.unwrap().unwrap(), "new");
    }
}
