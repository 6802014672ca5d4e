//! A clock whose hands a test moves.

use std::time::Duration;

use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Sleep};
use tokio::sync::watch;

/// 2026-01-01T12:00:00Z, in seconds.
const NOON: i64 = 1_767_268_800;

/// Stands at noon of the first of January 2026 until somebody moves it. Clones share their hands.
#[derive(Debug, Clone)]
pub struct ManualClock {
    hands: watch::Sender<Instant>,
}

impl ManualClock {
    /// A clock at noon.
    pub fn new() -> Self {
        Self::at(Instant::from_seconds(NOON))
    }

    /// A clock at `now`.
    pub fn at(now: Instant) -> Self {
        Self { hands: watch::Sender::new(now) }
    }

    /// Moves the hands to `now`, which may also be back, and wakes whom they passed.
    pub fn set(&self, now: Instant) {
        self.hands.send_replace(now);
    }

    /// Moves the hands forward, and wakes whom they passed.
    pub fn advance(&self, span: Duration) {
        self.hands.send_modify(|now| *now = *now + span);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        *self.hands.borrow()
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        // the sleeper keeps the hands alive: a clock that everybody else has dropped stands still
        let hands = self.hands.clone();
        Box::pin(async move {
            // fails only once the hands are gone
            let _ = hands.subscribe().wait_for(|now| *now >= at).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_when_the_hands_pass() {
        let clock = ManualClock::new();
        assert_eq!(clock.now().to_string(), "2026-01-01T12:00:00Z");
        let sleeper = tokio::spawn(clock.sleep_until(clock.now() + Duration::from_secs(60)));
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.clone().advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        clock.sleep_until(clock.now()).await;
    }
}
