//! The clock and the randomness of the engine: present instants, jitter, and retry delays.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Entropy, random};

/// First delay after a database error.
const SHORTEST_RETRY_DELAY: Duration = Duration::from_millis(50);
/// Longest delay between retries of a database command.
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(5);

/// A clock and a source of randomness. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Timing {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Timing {
    pub(crate) fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The monotonic time, for durations.
    pub(crate) fn monotonic(&self) -> Monotonic {
        self.clock.monotonic()
    }

    /// Waits for `span`.
    pub(crate) async fn sleep(&self, span: Duration) {
        self.clock.sleep(span).await;
    }

    /// The time of day. If the clock is doubtful, asks the reference clock, and falls back to the own one if that fails.
    pub(crate) async fn checked_now(&self) -> Instant {
        let now = self.clock.now();
        if self.clock.is_doubtful() { self.clock.checked().await.unwrap_or(now) } else { now }
    }

    /// A random number for backoff with jitter.
    pub(crate) fn jitter(&self) -> u32 {
        u32::from_le_bytes(random(&*self.entropy))
    }

    /// Sixteen random bytes.
    pub(crate) fn random_bytes(&self) -> [u8; 16] {
        random(&*self.entropy)
    }

    /// `span` plus or minus up to a tenth, so that nodes that started together drift apart.
    pub(crate) fn with_jitter(&self, span: Duration) -> Duration {
        let share = f64::from(self.jitter()) / f64::from(u32::MAX);
        span.mul_f64(0.9 + share / 5.0)
    }

    /// Waits before retrying a database command that has failed `failures` times in a row (1 or more).
    pub(crate) async fn retry_delay(&self, failures: u32) {
        self.clock.sleep(self.with_jitter(retry_delay(failures))).await;
    }
}

/// 50 ms after the first failure, doubling up to 5 s.
fn retry_delay(failures: u32) -> Duration {
    let delay = SHORTEST_RETRY_DELAY * (1 << failures.saturating_sub(1).min(10));
    delay.min(LONGEST_RETRY_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delays_double_up_to_five_seconds() {
        let millis = |failures| retry_delay(failures).as_millis();
        assert_eq!([1, 2, 7, 8, 40].map(millis), [50, 100, 3_200, 5_000, 5_000]);
    }
}
