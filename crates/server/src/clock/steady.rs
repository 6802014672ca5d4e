//! The clock of a server that is the only one of its database.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;

use super::offset::{ClockOffset, count_jump, micros, seconds};
use super::source_clock::{SourceClock, TimeSource};

/// A smaller difference is drift or the correction of a time service, and is followed at once.
const STEP: Duration = Duration::from_millis(500);

/// A step is followed when it has lasted this long.
const STEP_SETTLES_AFTER: Duration = Duration::from_secs(10);

/// The machine's time of day without temporary steps. There is no other source of the time, so a step that lasts is
/// followed after ten seconds, and one that is taken back earlier changes nothing.
pub(crate) type SteadyClock = SourceClock<SteadyTime>;

pub(crate) struct SteadyTime {
    machine: Arc<dyn Clock>,
    /// The shown time.
    shown: ClockOffset,
    /// Whether the last reading found a step.
    is_stepped: AtomicBool,
    step: Mutex<Option<Step>>,
}

/// A step that has not been followed yet.
#[derive(Clone, Copy)]
struct Step {
    /// How far the machine's clock is ahead of the shown time, in microseconds.
    ahead: i64,
    noticed_at: Monotonic,
}

impl SteadyClock {
    /// Starts at the machine's time of day.
    pub(crate) fn new(machine: Arc<dyn Clock>) -> Self {
        let shown = ClockOffset::of(machine.now(), machine.monotonic());
        let (is_stepped, step) = (AtomicBool::new(false), Mutex::new(None));
        SourceClock(Arc::new(SteadyTime { machine, shown, is_stepped, step }))
    }
}

impl TimeSource for SteadyTime {
    fn machine(&self) -> &dyn Clock {
        &*self.machine
    }

    fn now(&self) -> Instant {
        let (asked, now, at) =
            (self.machine.monotonic(), self.machine.now(), self.machine.monotonic());
        let seen = self.shown.micros();
        let ahead = self.shown.correction(now, asked, at);
        if ahead.unsigned_abs() >= micros(STEP).unsigned_abs() {
            self.judge_step(ahead, at);
        } else {
            if self.is_stepped.swap(false, Ordering::Relaxed) {
                *self.step.lock().unwrap_or_else(PoisonError::into_inner) = None;
                tracing::info!("this machine's clock was corrected; its step was never followed");
            }
            if ahead != 0 {
                self.shown.correct(seen, ahead);
            }
        }
        self.shown.at(at)
    }
}

impl SteadyTime {
    /// Follows a step that has lasted long enough.
    fn judge_step(&self, ahead: i64, at: Monotonic) {
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |it: &Step| it.ahead.abs_diff(ahead) < micros(STEP).unsigned_abs();
        match step.filter(same) {
            None => {
                *step = Some(Step { ahead, noticed_at: at });
                self.is_stepped.store(true, Ordering::Relaxed);
                count_jump("machine");
                tracing::warn!(
                    seconds = seconds(ahead),
                    "this machine's clock was set, or the machine was suspended; the step is followed if it lasts {} s",
                    STEP_SETTLES_AFTER.as_secs()
                );
            }
            Some(Step { noticed_at, .. }) if at.since(noticed_at) >= STEP_SETTLES_AFTER => {
                *step = None;
                self.is_stepped.store(false, Ordering::Relaxed);
                self.shown.correct(self.shown.micros(), ahead);
                tracing::warn!(
                    seconds = seconds(ahead),
                    "the step of this machine's clock has lasted and is followed now"
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
    fn a_step_that_lasts_ten_seconds_is_followed() {
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
