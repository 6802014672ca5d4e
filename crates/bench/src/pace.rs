//! The start of the next request: when a connection is free, or by a schedule.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::draws::Draws;

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
    /// The same on average, as from people who do not know of each other: the times between requests are exponential.
    Random { rate: f64, seed: u64 },
    /// A number of requests in all, as fast as possible.
    Count(u64),
}

/// Hands out turns to connections.
pub(crate) struct Turns {
    pace: Pace,
    begin: Instant,
    end: Instant,
    next: AtomicU64,
    /// The starts of a random schedule.
    arrivals: Vec<Duration>,
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
        let arrivals = match pace {
            Pace::Random { rate, seed } => {
                arrivals(rate, seed, end.saturating_duration_since(begin))
            }
            Pace::Closed | Pace::Open(_) | Pace::Count(_) => Vec::new(),
        };
        let (next, due) = (AtomicU64::new(0), Semaphore::new(0));
        Arc::new(Self { pace, begin, end, next, arrivals, due })
    }

    pub(crate) const fn pace(&self) -> Pace {
        self.pace
    }

    /// The next turn; `None` at the end.
    pub(crate) async fn next(&self) -> Option<Turn> {
        if matches!(self.pace, Pace::Open(_) | Pace::Random { .. }) {
            self.due.acquire().await.ok()?.forget();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let start = match self.pace {
            Pace::Closed => Some(Instant::now()).filter(|now| *now < self.end),
            Pace::Count(count) => (number < count).then(Instant::now),
            Pace::Open(_) | Pace::Random { .. } => {
                Some(self.scheduled(number)).filter(|start| *start < self.end)
            }
        };
        start.map(|start| Turn { number, start })
    }

    /// The start of a turn; the end, if a random schedule has no such turn.
    fn scheduled(&self, number: u64) -> Instant {
        if matches!(self.pace, Pace::Random { .. }) {
            let after = usize::try_from(number).ok().and_then(|at| self.arrivals.get(at));
            return after.map_or(self.end, |after| self.begin + *after);
        }
        self.begin + Duration::from_nanos(self.interval_nanos().saturating_mul(number))
    }

    /// The number of turns that start until `now`.
    fn started(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.begin);
        if matches!(self.pace, Pace::Random { .. }) {
            return self.arrivals.partition_point(|after| *after <= since) as u64;
        }
        let intervals = since.as_nanos() / u128::from(self.interval_nanos());
        u64::try_from(intervals).unwrap_or(u64::MAX) + u64::from(now >= self.begin)
    }

    fn interval_nanos(&self) -> u64 {
        match self.pace {
            Pace::Open(rate) => {
                let interval = Duration::from_secs_f64(1.0 / rate.max(0.1));
                u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1)
            }
            Pace::Closed | Pace::Random { .. } | Pace::Count(_) => 0,
        }
    }

    /// Starts the clock of a schedule on its own thread: the timers of the runtime have a resolution of a
    /// millisecond.
    pub(crate) fn start_clock(self: &Arc<Self>) -> Clock {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = match self.pace {
            Pace::Closed | Pace::Count(_) => None,
            Pace::Open(rate) | Pace::Random { rate, .. } => {
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
            let due = self.started(now);
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

/// The starts of the requests of a random schedule.
pub(crate) fn arrivals(rate: f64, seed: u64, length: Duration) -> Vec<Duration> {
    let (draws, mean) = (Draws::new(seed), Duration::from_secs_f64(1.0 / rate.max(0.1)));
    let mut at = Duration::ZERO;
    let all = (0_u64..).map(|number| {
        at += mean.mul_f64(draws.exponential(("arrival", number)));
        at
    });
    all.take_while(|at| *at < length).collect()
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

    #[test]
    fn a_random_schedule_has_its_rate_and_is_that_of_its_seed() {
        let minute = Duration::from_secs(60);
        let all = arrivals(1_000.0, 7, minute);
        assert!((59_000..61_000).contains(&all.len()), "{}", all.len());
        assert_eq!(all, arrivals(1_000.0, 7, minute));
        assert_ne!(all, arrivals(1_000.0, 8, minute));
        // exponential: 63 % of the pauses are shorter than the mean
        let short = all.windows(2).filter(|two| two[1] - two[0] < Duration::from_millis(1));
        let share = short.count() as f64 / all.len() as f64;
        assert!((0.62..0.645).contains(&share), "{share}");
    }

    #[tokio::test]
    async fn the_turns_of_a_random_schedule_start_when_it_says() {
        let turns = turns(Pace::Random { rate: 200.0, seed: 3 });
        let expected = arrivals(200.0, 3, Duration::from_millis(100));
        let _clock = turns.start_clock();
        for after in &expected {
            assert_eq!(turns.next().await.unwrap().start, turns.begin + *after);
        }
        assert!(turns.next().await.is_none() && !expected.is_empty());
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
