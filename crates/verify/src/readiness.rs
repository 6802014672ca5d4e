//! Probes whether the database can be used. Any caller may ask, so one probe runs at a time and its result is kept for a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign_store::StoreError;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

/// How long a result is kept.
const KEPT: Duration = Duration::from_secs(1);
/// A probe that takes longer has failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// When a probe ended, and its result.
type Probed = (Instant, Result<(), StoreError>);
type Probe = Shared<BoxFuture<'static, Probed>>;

/// The last probe.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Option<Probe>>);

impl Readiness {
    /// Returns the result of the last probe if it ended within a second, otherwise of a new one. Concurrent callers share one.
    pub(crate) async fn check<F>(&self, begin: impl Fn() -> F) -> Result<(), StoreError>
    where
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        loop {
            let (ended, result) = self.probe(&begin).await;
            if ended.elapsed() < KEPT {
                return result;
            }
        }
    }

    fn probe<F>(&self, begin: impl Fn() -> F) -> Probe
    where
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh =
            |probe: &&Probe| probe.peek().is_none_or(|(ended, _)| ended.elapsed() < KEPT);
        if let Some(probe) = last.as_ref().filter(is_fresh) {
            return probe.clone();
        }
        let probe = tokio::time::timeout(PROBE_TIMEOUT, begin());
        // Runs as a task, so that a caller that hangs up neither ends it nor causes another one.
        let task = tokio::spawn(async move {
            let result = probe.await;
            let too_late = || StoreError::Unavailable("the database does not answer".to_owned());
            (Instant::now(), result.unwrap_or_else(|_| Err(too_late())))
        });
        let probe = async {
            let fault = |error| {
                StoreError::Unavailable(format!("the probe of the database failed: {error}"))
            };
            task.await.unwrap_or_else(|error| (Instant::now(), Err(fault(error))))
        };
        let probe = probe.boxed().shared();
        *last = Some(probe.clone());
        probe
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn callers_share_a_probe_and_its_result_is_kept() {
        let (readiness, looks, go_on) =
            (Readiness::default(), AtomicUsize::new(0), Arc::new(Notify::new()));
        let look = || {
            looks.fetch_add(1, Ordering::Relaxed);
            let go_on = Arc::clone(&go_on);
            async move {
                go_on.notified().await;
                Err(StoreError::Unavailable("no".to_owned()))
            }
        };
        // A caller that begins the probe and hangs up does not end it.
        let mut gone = Box::pin(readiness.check(look));
        assert!(futures_util::poll!(gone.as_mut()).is_pending());
        drop(gone);
        let all = join_all((0..50).map(|_| readiness.check(look)));
        let (all, ()) = tokio::join!(all, async { go_on.notify_one() });
        assert!(all.iter().all(Result::is_err), "{all:?}");
        assert!(readiness.check(look).await.is_err(), "kept");
        assert_eq!(looks.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn after_a_second_the_database_is_probed_again() {
        let (readiness, looks) = (Readiness::default(), AtomicUsize::new(0));
        let look = || {
            looks.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(()))
        };
        let began = Instant::now();
        while looks.load(Ordering::Relaxed) < 3 {
            readiness.check(look).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert!(began.elapsed() >= 2 * KEPT, "two results were kept for a second each");
    }
}
