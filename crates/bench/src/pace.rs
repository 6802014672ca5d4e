//! The start of the next request: when a connection is free, or by a schedule.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// Above this rate requests are released in small groups, since a wake-up for each costs too much.
const GROUPED_ABOVE: f64 = 1_000.0;
const GROUP: Duration = Duration::from_micros(200);
/// The delay of a sleep; the rest of a wait spins.
const SLEEP_IS_LATE: Duration = Duration::from_micros(80);

/// The pace of requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Every connection sends its next request when it has its response, until the end.
    Closed,
    /// Requests per second, until the end. The latency of each counts from its *schedule*: a server that stalls is
    /// charged for the requests that were due meanwhile.
    Open(f64),
    /// A number of requests in all, as fast as possible.
    Count(u64),
}

/// Hands out turns to connections.
pub(crate) struct Turns {
    pace: Pace,
    begin: Instant,
    end: Instant,
    next: AtomicU64,
    /// The turns of a schedule that are due.
    due: Semaphore,
}

/// The right to send one request.
pub(crate) struct Turn {
    /// The number of the request, from 0.
    pub(crate) number: u64,
    /// The start of the request.
    pub(crate) start: Instant,
}

impl Turns {
    pub(crate) fn new(pace: Pace, begin: Instant, end: Instant) -> Arc<Self> {
        Arc::new(Self { pace, begin, end, next: AtomicU64::new(0), due: Semaphore::new(0) })
    }

    pub(crate) const fn pace(&self) -> Pace {
        self.pace
    }

    /// The next turn; `None` at the end.
    pub(crate) async fn next(&self) -> Option<Turn> {
        if matches!(self.pace, Pace::Open(_)) {
            self.due.acquire().await.ok()?.forget();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let start = match self.pace {
            Pace::Closed => Some(Instant::now()).filter(|now| *now < self.end),
            Pace::Count(count) => (number < count).then(Instant::now),
            Pace::Open(_) => Some(self.scheduled(number)).filter(|start| *start < self.end),
        };
        start.map(|start| Turn { number, start })
    }

    fn scheduled(&self, number: u64) -> Instant {
        self.begin + Duration::from_nanos(self.interval_nanos().saturating_mul(number))
    }

    fn interval_nanos(&self) -> u64 {
        match self.pace {
            Pace::Open(rate) => {
                let interval = Duration::from_secs_f64(1.0 / rate.max(0.1));
                u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1)
            }
            Pace::Closed | Pace::Count(_) => 0,
        }
    }

    /// Starts the clock of a schedule on its own thread: the timers of the runtime have a resolution of a
    /// millisecond.
    pub(crate) fn start_clock(self: &Arc<Self>) -> Clock {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = match self.pace {
            Pace::Closed | Pace::Count(_) => None,
            Pace::Open(rate) => {
                let (turns, stop) = (Arc::clone(self), Arc::clone(&stop));
                Some(std::thread::spawn(move || turns.tick(rate, &stop)))
            }
        };
        Clock { stop, thread }
    }

    fn tick(&self, rate: f64, stop: &AtomicBool) {
        let mut released: u64 = 0;
        while !stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            if now >= self.end {
                break;
            }
            let since = now.saturating_duration_since(self.begin).as_nanos();
            let due = since / u128::from(self.interval_nanos());
            let due = u64::try_from(due).unwrap_or(u64::MAX) + u64::from(now >= self.begin);
            if due > released {
                self.due.add_permits(usize::try_from(due - released).unwrap_or(1));
                released = due;
            }
            let wait = self.scheduled(released).saturating_duration_since(now);
            if rate > GROUPED_ABOVE {
                std::thread::sleep(wait.max(GROUP));
            } else if wait > SLEEP_IS_LATE {
                std::thread::sleep((wait - SLEEP_IS_LATE).min(Duration::from_millis(100)));
            } else {
                std::hint::spin_loop();
            }
        }
        // waiting tasks learn that the schedule is over
        self.due.add_permits(1 << 20);
    }
}

/// A running clock; dropping it stops it.
pub(crate) struct Clock {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(pace: Pace) -> Arc<Turns> {
        let begin = Instant::now();
        Turns::new(pace, begin, begin + Duration::from_millis(100))
    }

    #[tokio::test]
    async fn a_schedule_does_not_wait_for_responses() {
        let turns = turns(Pace::Open(200.0));
        let _clock = turns.start_clock();
        tokio::time::sleep(Duration::from_millis(150)).await;
        for number in 0..20 {
            let turn = turns.next().await.unwrap();
            let after = turn.start.duration_since(turns.begin);
            assert_eq!((turn.number, after), (number, Duration::from_millis(5 * number)));
        }
        assert!(turns.next().await.is_none());
    }

    #[tokio::test]
    async fn a_number_of_turns_is_kept_and_an_end_too() {
        let some = turns(Pace::Count(3));
        for _ in 0..3 {
            assert!(some.next().await.is_some());
        }
        assert!(some.next().await.is_none());

        let closed = turns(Pace::Closed);
        assert!(closed.next().await.is_some());
        tokio::time::sleep(Duration::from_millis(110)).await;
        assert!(closed.next().await.is_none());
    }
}
