//! Whether requests can be served: one look at the database at a time, whose answer is kept for a second, since anybody may ask.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign_store::StoreError;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(1);
/// A database that does not answer in this time cannot serve requests.
const LOOK_MOST: Duration = Duration::from_secs(5);

/// When a look ended, and what it found.
type Found = (Instant, Result<(), StoreError>);
type Look = Shared<BoxFuture<'static, Found>>;

/// The last look.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Option<Look>>);

impl Readiness {
    /// What the last look found, if that was within a second, or else what a new one finds. Callers at the same time share one.
    pub(crate) async fn ask<F>(&self, begin: impl Fn() -> F) -> Result<(), StoreError>
    where
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        loop {
            let (ended, found) = self.look(&begin).await;
            if ended.elapsed() < KEPT {
                return found;
            }
        }
    }

    fn look<F>(&self, begin: impl Fn() -> F) -> Look
    where
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = |look: &&Look| look.peek().is_none_or(|(ended, _)| ended.elapsed() < KEPT);
        if let Some(look) = last.as_ref().filter(is_good) {
            return look.clone();
        }
        let look = tokio::time::timeout(LOOK_MOST, begin());
        // A task of its own: a caller that hangs up does not end it, and does not begin another.
        let looking = tokio::spawn(async move {
            let looked = look.await;
            let too_late = || StoreError::Unavailable("the database does not answer".to_owned());
            (Instant::now(), looked.unwrap_or_else(|_| Err(too_late())))
        });
        let look = async {
            let fault =
                |error| StoreError::Unavailable(format!("a look at the database failed: {error}"));
            looking.await.unwrap_or_else(|error| (Instant::now(), Err(fault(error))))
        };
        let look = look.boxed().shared();
        *last = Some(look.clone());
        look
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
    async fn callers_share_a_look_and_what_it_found_is_kept() {
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
        // A caller that begins the look and hangs up changes nothing.
        let mut gone = Box::pin(readiness.ask(look));
        assert!(futures_util::poll!(gone.as_mut()).is_pending());
        drop(gone);
        let all = join_all((0..50).map(|_| readiness.ask(look)));
        let (all, ()) = tokio::join!(all, async { go_on.notify_one() });
        assert!(all.iter().all(Result::is_err), "{all:?}");
        assert!(readiness.ask(look).await.is_err(), "kept");
        assert_eq!(looks.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn after_a_second_there_is_another_look() {
        let (readiness, looks) = (Readiness::default(), AtomicUsize::new(0));
        let look = || {
            looks.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(()))
        };
        let began = Instant::now();
        while looks.load(Ordering::Relaxed) < 3 {
            readiness.ask(look).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert!(began.elapsed() >= 2 * KEPT, "two looks were kept for their time");
    }
}
