//! Clocks that a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::{CheckedTime, Clock, Sleep};
use tokio::sync::watch;

/// 2026-01-01T12:00:00Z, in seconds.
const NOON: i64 = 1_767_268_800;

/// A clock that stands at noon of 2026-01-01 UTC until a test moves it. Clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    hands: watch::Sender<Hands>,
}

/// The time of day and the monotonic time.
#[derive(Debug, Clone, Copy)]
struct Hands {
    now: Instant,
    monotonic: Monotonic,
}

impl ManualClock {
    /// A clock at noon.
    pub fn new() -> Self {
        Self::at(Instant::from_seconds(NOON))
    }

    /// A clock at `now`, with the monotonic time at its origin.
    pub fn at(now: Instant) -> Self {
        Self { hands: watch::Sender::new(Hands { now, monotonic: Monotonic::default() }) }
    }

    /// Lets time pass until `now`, and wakes those who wait for it. A `now` in the past sets the time of day back,
    /// and no time passes.
    pub fn set(&self, now: Instant) {
        self.hands.send_modify(|hands| {
            let span = now.since(hands.now);
            *hands = Hands { now, monotonic: hands.monotonic + span };
        });
    }

    /// Lets time pass, and wakes those who wait for it.
    pub fn advance(&self, span: Duration) {
        self.hands.send_modify(|hands| {
            *hands = Hands { now: hands.now + span, monotonic: hands.monotonic + span };
        });
    }

    /// Sets the time of day forwards or backwards while no time passes.
    pub fn step_wall(&self, now: Instant) {
        self.hands.send_modify(|hands| hands.now = now);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.hands.borrow().now
    }

    fn monotonic(&self) -> Monotonic {
        self.hands.borrow().monotonic
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        sleep(&self.hands, move |hands| hands.now >= at)
    }

    fn sleep(&self, span: Duration) -> Sleep {
        let at = self.monotonic() + span;
        sleep(&self.hands, move |hands| hands.monotonic >= at)
    }
}

/// A clock with an error in the time of day, as a node's between two readings of its database's clock. Clones share
/// the error.
#[derive(Debug, Clone)]
pub struct SkewedClock {
    follows: ManualClock,
    error: Arc<AtomicI64>,
    is_doubtful: Arc<AtomicBool>,
}

impl SkewedClock {
    /// A clock without an error.
    pub fn following(follows: &ManualClock) -> Self {
        Self { follows: follows.clone(), error: Arc::default(), is_doubtful: Arc::default() }
    }

    /// Sets the error in seconds, negative if the clock is behind, and whether the clock reports that it is doubtful.
    pub fn step(&self, seconds: i64, is_doubtful: bool) {
        self.error.store(seconds * 1_000_000, Ordering::SeqCst);
        self.is_doubtful.store(is_doubtful, Ordering::SeqCst);
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Instant {
        let right = self.follows.now().as_micros();
        Instant::from_micros(right + self.error.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        self.follows.monotonic()
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        self.follows.sleep_until(at)
    }

    fn sleep(&self, span: Duration) -> Sleep {
        self.follows.sleep(span)
    }

    fn is_doubtful(&self) -> bool {
        self.is_doubtful.load(Ordering::SeqCst)
    }

    fn checked(&self) -> CheckedTime {
        let now = self.follows.now();
        Box::pin(std::future::ready(Some(now)))
    }
}

/// The sleeping future keeps the time alive; nobody can move a clock that was dropped.
fn sleep(
    hands: &watch::Sender<Hands>,
    mut is_over: impl FnMut(&Hands) -> bool + Send + 'static,
) -> Sleep {
    let hands = hands.clone();
    Box::pin(async move {
        // fails only when the sender is gone
        let _ = hands.subscribe().wait_for(|hands| is_over(hands)).await;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_when_their_time_has_come() {
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

    #[tokio::test]
    async fn stepping_the_time_of_day_lets_no_time_pass() {
        let clock = ManualClock::new();
        let (noon, began) = (clock.now(), clock.monotonic());
        let hour = Duration::from_secs(3_600);
        let paused = tokio::spawn(clock.sleep(Duration::from_secs(60)));
        tokio::task::yield_now().await;
        clock.step_wall(noon + hour);
        tokio::task::yield_now().await;
        assert!(!paused.is_finished());
        assert_eq!((clock.now(), clock.monotonic()), (noon + hour, began));
        clock.step_wall(noon);
        clock.advance(Duration::from_secs(60));
        assert_eq!(clock.monotonic().since(began), Duration::from_secs(60));
        paused.await.unwrap();
        clock.set(noon);
        assert_eq!(
            clock.monotonic().since(began),
            Duration::from_secs(60),
            "back, but not earlier"
        );
        clock.set(noon + hour);
        assert_eq!(clock.monotonic().since(began), Duration::from_secs(60) + hour);
    }
}
