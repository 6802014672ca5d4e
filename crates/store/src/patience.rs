//! How long a request waits for the database, over all that it asks for.
//!
//! One command or read has a bound of its own, but a request asks for several, and its caller waits for their sum. So a
//! request keeps an account: what it has spent on earlier ones is not there for the next.

use std::cell::Cell;
use std::time::{Duration, Instant};

tokio::task_local! {
    static SPENT: Cell<Duration>;
}

/// Runs a request, with an account of the time that it waits for the database.
pub async fn account<F: Future>(request: F) -> F::Output {
    SPENT.scope(Cell::new(Duration::ZERO), request).await
}

/// What the running request has spent so far; nothing outside of a request.
pub fn spent() -> Duration {
    SPENT.try_with(Cell::get).unwrap_or_default()
}

/// A wait for the database, which ends when this is dropped.
#[derive(Debug)]
pub struct Wait(Instant);

impl Wait {
    /// Begins now.
    pub fn begin() -> Self {
        Self(Instant::now())
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // outside of a request there is no account
        let _ = SPENT.try_with(|spent| spent.set(spent.get() + self.0.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_spends_what_its_waits_last() {
        let nothing = Duration::ZERO;
        drop(Wait::begin());
        assert_eq!(spent(), nothing);
        account(async {
            for _ in 0..2 {
                let before = spent();
                let wait = Wait::begin();
                assert_eq!(spent(), before);
                drop(wait);
                assert!(spent() > before);
            }
        })
        .await;
        assert_eq!(spent(), nothing);
    }
}
