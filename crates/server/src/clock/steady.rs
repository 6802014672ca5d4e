//! The clock of a server that has its database to itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;

use super::follower::{Follower, Shows};
use super::origin::{Origin, count_jump, micros, seconds};

/// A difference below this is drift or the correction of a time service, and is followed at once.
const STEP: Duration = Duration::from_millis(500);

/// A step is followed once the machine's clock has stood by it for so long.
const STANDS: Duration = Duration::from_secs(10);

/// The machine's time of day without its steps. Nothing else tells what time it is, so a step that stays is right in the end:
/// it is followed after ten seconds. One that is taken back before changes nothing.
pub(crate) type SteadyClock = Follower<Inner>;

pub(crate) struct Inner {
    machine: Arc<dyn Clock>,
    /// The shown time.
    shown: Origin,
    /// Whether the machine's clock was elsewhere when it was looked at last.
    is_stepped: AtomicBool,
    step: Mutex<Option<Step>>,
}

/// A step that is not followed yet.
#[derive(Clone, Copy)]
struct Step {
    /// By how many microseconds the machine's clock is ahead of what is shown.
    ahead: i64,
    noticed_at: Monotonic,
}

impl SteadyClock {
    /// Begins with the machine's time of day.
    pub(crate) fn new(machine: Arc<dyn Clock>) -> Self {
        let shown = Origin::of(machine.now(), machine.monotonic());
        let (is_stepped, step) = (AtomicBool::new(false), Mutex::new(None));
        Follower(Arc::new(Inner { machine, shown, is_stepped, step }))
    }
}

impl Shows for Inner {
    fn machine(&self) -> &dyn Clock {
        &*self.machine
    }

    fn now(&self) -> Instant {
        let (asked, now, at) =
            (self.machine.monotonic(), self.machine.now(), self.machine.monotonic());
        let seen = self.shown.micros();
        let ahead = self.shown.correction(now, asked, at);
        if ahead.unsigned_abs() >= micros(STEP).unsigned_abs() {
            self.weigh(ahead, at);
        } else {
            if self.is_stepped.swap(false, Ordering::Relaxed) {
                *self.step.lock().unwrap_or_else(PoisonError::into_inner) = None;
                tracing::info!(
                    "this machine's clock was set back to what it had been; nothing went by the step"
                );
            }
            if ahead != 0 {
                self.shown.correct(seen, ahead);
            }
        }
        self.shown.at(at)
    }
}

impl Inner {
    /// Follows a step that has stood long enough.
    fn weigh(&self, ahead: i64, at: Monotonic) {
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |it: &Step| it.ahead.abs_diff(ahead) < micros(STEP).unsigned_abs();
        match step.filter(same) {
            None => {
                *step = Some(Step { ahead, noticed_at: at });
                self.is_stepped.store(true, Ordering::Relaxed);
                count_jump("machine");
                tracing::warn!(
                    seconds = seconds(ahead),
                    "this machine's clock was set by so much, or the machine was suspended; that is followed if it stays for {} s",
                    STANDS.as_secs()
                );
            }
            Some(Step { noticed_at, .. }) if at.since(noticed_at) >= STANDS => {
                *step = None;
                self.is_stepped.store(false, Ordering::Relaxed);
                self.shown.correct(self.shown.micros(), ahead);
                tracing::warn!(
                    seconds = seconds(ahead),
                    "the step of this machine's clock is followed now"
                );
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_testkit::ManualClock;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const STEPS: Duration = Duration::from_secs(300);

    #[test]
    fn a_step_that_is_taken_back_changes_nothing() {
        let machine = ManualClock::new();
        let clock = SteadyClock::new(Arc::new(machine.clone()));
        let noon = clock.now();
        for stepped in [noon + STEPS, noon - STEPS] {
            machine.step_wall(stepped);
            assert_eq!(clock.now(), noon);
            machine.step_wall(noon);
            assert_eq!(clock.now(), noon);
        }
        machine.advance(20 * SECOND);
        assert_eq!(clock.now(), noon + 20 * SECOND, "the earlier steps are forgotten");
    }

    #[test]
    fn a_step_that_stays_for_ten_seconds_is_followed() {
        for ahead in [true, false] {
            let machine = ManualClock::new();
            let clock = SteadyClock::new(Arc::new(machine.clone()));
            let noon = clock.now();
            let stepped = if ahead { noon + STEPS } else { noon - STEPS };
            machine.step_wall(stepped);
            assert_eq!(clock.now(), noon);
            machine.advance(9 * SECOND);
            assert_eq!(clock.now(), noon + 9 * SECOND);
            machine.advance(SECOND);
            clock.now();
            assert_eq!(clock.now(), stepped + 10 * SECOND);
        }
    }

    #[test]
    fn a_small_correction_is_followed_at_once() {
        let machine = ManualClock::new();
        let clock = SteadyClock::new(Arc::new(machine.clone()));
        let corrected = clock.now() + Duration::from_millis(100);
        machine.step_wall(corrected);
        assert_eq!(clock.now(), corrected);
    }
}
