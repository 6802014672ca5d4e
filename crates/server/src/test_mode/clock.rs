//! A clock that follows another one until it is frozen, and that a tester moves.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Sleep};
use tokio::sync::watch;

/// A clock with hands. Clones are the same clock.
///
/// Both its times only move forward, and by the same amount: freezing lets no time pass, moving lets it pass at once.
#[derive(Clone)]
pub struct TestClock {
    follows: Arc<dyn Clock>,
    hands: watch::Sender<Hands>,
    alarms: Arc<Alarms>,
}

/// What the clock shows.
#[derive(Debug, Clone, Copy)]
struct Hands {
    now: Instant,
    monotonic: Monotonic,
    /// The time of the followed clock at which the hands stood here; `None` while they are frozen.
    runs_since: Option<Monotonic>,
}

impl Hands {
    /// What they show while the followed clock shows `at`.
    fn at(self, at: Monotonic) -> Self {
        let run = self.runs_since.map_or(Duration::ZERO, |since| at.since(since));
        let runs_since = self.runs_since.map(|_| at);
        Self { now: self.now + run, monotonic: self.monotonic + run, runs_since }
    }
}

impl TestClock {
    /// A clock that runs with another one.
    pub fn following(follows: Arc<dyn Clock>) -> Self {
        let at = follows.monotonic();
        let hands = Hands { now: follows.now(), monotonic: at, runs_since: Some(at) };
        Self { follows, hands: watch::Sender::new(hands), alarms: Arc::default() }
    }

    /// The clock that this one follows.
    pub(crate) fn followed(&self) -> &Arc<dyn Clock> {
        &self.follows
    }

    /// Stops the hands.
    pub fn freeze(&self) {
        self.change(|hands| Hands { runs_since: None, ..hands });
    }

    /// Lets the hands run on from where they are.
    pub fn run(&self) {
        let at = self.follows.monotonic();
        self.change(|hands| Hands { runs_since: Some(at), ..hands });
    }

    /// Whether the hands stand.
    pub fn is_frozen(&self) -> bool {
        self.hands.borrow().runs_since.is_none()
    }

    /// Moves the hands to `to`, and wakes those who sleep until then. Never back.
    pub(crate) fn move_to(&self, to: Instant) {
        self.change(|hands| {
            let span = to.since(hands.now);
            Hands { now: hands.now + span, monotonic: hands.monotonic + span, ..hands }
        });
    }

    /// When the next sleeper wakes; later than now.
    pub(crate) fn next_alarm(&self) -> Option<Instant> {
        let shown = self.shown();
        let at = self.alarms.after(shown.monotonic)?;
        // An instant is whole microseconds: rounded down, it would wake nobody.
        let span = at.since(shown.monotonic) + Duration::from_nanos(999);
        Some(shown.now + span)
    }

    fn shown(&self) -> Hands {
        self.hands.borrow().at(self.follows.monotonic())
    }

    fn change(&self, change: impl FnOnce(Hands) -> Hands) {
        let at = self.follows.monotonic();
        self.hands.send_modify(|hands| *hands = change(hands.at(at)));
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        self.shown().now
    }

    fn monotonic(&self) -> Monotonic {
        self.shown().monotonic
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        self.sleep(at.since(self.now()))
    }

    fn sleep(&self, span: Duration) -> Sleep {
        let at = self.monotonic() + span;
        let alarm = Alarm::set(&self.alarms, at);
        let clock = self.clone();
        Box::pin(async move {
            let _alarm = alarm;
            let mut hands = clock.hands.subscribe();
            loop {
                let set = *hands.borrow_and_update();
                let left = at.since(set.at(clock.follows.monotonic()).monotonic);
                if left.is_zero() {
                    return;
                }
                let passes = async {
                    match set.runs_since {
                        Some(_) => clock.follows.sleep(left).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    // Cannot fail: the clock lives as long as this future.
                    _ = hands.changed() => {}
                    () = passes => {}
                }
            }
        })
    }
}

/// When the sleepers wake.
#[derive(Default)]
struct Alarms {
    set: Mutex<BTreeSet<(Monotonic, u64)>>,
    next_id: AtomicU64,
}

impl Alarms {
    /// The first alarm after `now`.
    fn after(&self, now: Monotonic) -> Option<Monotonic> {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        set.range((now, u64::MAX)..).map(|(at, _)| *at).find(|at| *at > now)
    }
}

/// The alarm of one sleeper, until dropped.
struct Alarm {
    of: Arc<Alarms>,
    key: (Monotonic, u64),
}

impl Alarm {
    fn set(of: &Arc<Alarms>, at: Monotonic) -> Self {
        let key = (at, of.next_id.fetch_add(1, Ordering::Relaxed));
        of.set.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        Self { of: Arc::clone(of), key }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.of.set.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use countersign_testkit::ManualClock;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn it_follows_until_it_is_frozen_and_never_goes_back() {
        let real = ManualClock::new();
        let clock = TestClock::following(Arc::new(real.clone()));
        let (noon, began) = (clock.now(), clock.monotonic());
        real.advance(MINUTE);
        assert_eq!((clock.now(), clock.monotonic()), (noon + MINUTE, began + MINUTE));
        clock.freeze();
        real.advance(MINUTE);
        assert_eq!((clock.now(), clock.monotonic()), (noon + MINUTE, began + MINUTE));
        clock.move_to(noon + 10 * MINUTE);
        clock.move_to(noon);
        assert_eq!((clock.now(), clock.monotonic()), (noon + 10 * MINUTE, began + 10 * MINUTE));
        clock.run();
        assert!(!clock.is_frozen());
        real.advance(MINUTE);
        assert_eq!((clock.now(), clock.monotonic()), (noon + 11 * MINUTE, began + 11 * MINUTE));
        real.step_wall(noon);
        assert_eq!(clock.now(), noon + 11 * MINUTE, "the hands follow the pace only");
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_hands_are_moved_or_run_to_its_time() {
        let real = ManualClock::new();
        let clock = TestClock::following(Arc::new(real.clone()));
        clock.freeze();
        let noon = clock.now();
        let (first, second) = (clock.sleep(MINUTE), clock.sleep_until(noon + 2 * MINUTE));
        assert_eq!(clock.next_alarm(), Some(noon + MINUTE));
        clock.move_to(noon + MINUTE);
        first.await;
        assert_eq!(clock.next_alarm(), Some(noon + 2 * MINUTE), "one that has rung is over");
        let sleeper = tokio::spawn(second);
        clock.run();
        real.advance(MINUTE);
        sleeper.await.unwrap();
        assert_eq!(clock.next_alarm(), None);
    }

    #[tokio::test]
    async fn a_sleeper_wakes_at_its_alarm_though_it_sleeps_for_parts_of_a_microsecond() {
        let clock = TestClock::following(Arc::new(ManualClock::new()));
        clock.freeze();
        let sleep = clock.sleep(Duration::from_nanos(1_001));
        clock.move_to(clock.next_alarm().unwrap());
        sleep.await;
    }
}
