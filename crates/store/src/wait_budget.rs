//! How long a request waits for the database in all.
//!
//! Each command or read has a timeout of its own, but a request makes several, and its caller waits for their sum. So the time
//! that a request has spent on earlier ones is subtracted from the timeout of the next.

use std::cell::Cell;
use std::time::{Duration, Instant};

tokio::task_local! {
    static SPENT: Cell<Duration>;
}

/// Runs a request and counts the time that it waits for the database.
pub async fn with_budget<F: Future>(request: F) -> F::Output {
    SPENT.scope(Cell::new(Duration::ZERO), request).await
}

/// The time that the running request has waited so far; zero outside of a request.
pub fn spent() -> Duration {
    SPENT.try_with(Cell::get).unwrap_or_default()
}

/// A wait for the database, which ends when this is dropped.
#[derive(Debug)]
pub struct Wait(Instant);

impl Wait {
    /// Begins a wait now.
    pub fn begin() -> Self {
        Self(Instant::now())
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // Fails outside of a request, where nothing is counted.
        let _ = SPENT.try_with(|spent| spent.set(spent.get() + self.0.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_spends_the_sum_of_its_waits() {
        let nothing = Duration::ZERO;
        drop(Wait::begin());
        assert_eq!(spent(), nothing);
        with_budget(async {
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
