//! The clock that all nodes of one database share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use countersign_domain::time::Instant;
use countersign_domain::world::{CheckedTime, Clock};
use countersign_store_postgres::{ClockReading, PostgresStore, Tolerance};
use tokio::sync::Notify;

use super::offset::{ClockOffset, count_jump, micros, seconds};
use super::source_clock::{SourceClock, TimeSource};

/// Readings of which the quickest counts: the first one on a connection takes longer, and so does one that waits
/// behind other work.
const READINGS: usize = 4;

/// The interval between readings. The monotonic clocks of two machines drift apart by some microseconds a second, and
/// a suspended machine is detected within this time.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// A larger difference is a jump: neither drift nor a slow response.
const JUMP: Duration = Duration::from_secs(1);

/// A command whose time differs by more from the database's is rejected. Requests that wait for a busy database
/// arrive late.
const TOLERANCE: Tolerance =
    Tolerance { ahead: Duration::from_secs(1), behind: Duration::from_secs(10) };

/// Reads the database's clock several times and returns the quickest reading.
///
/// # Errors
/// The database's clock cannot be read.
pub(crate) async fn read(store: &PostgresStore, clock: &dyn Clock) -> anyhow::Result<ClockReading> {
    let mut best = store.read_clock(clock).await?;
    for _ in 1..READINGS {
        let next = store.read_clock(clock).await?;
        if next.round_trip < best.round_trip {
            best = next;
        }
    }
    Ok(best)
}

/// The database's time: its last reading, plus the time that has passed since by the machine's monotonic clock. It is
/// compared with the database every second.
///
/// The machine's time of day is read only to detect that it was set, or that the machine was suspended, which stops
/// the monotonic clock. The time is doubtful then until the next reading, which is taken at once.
pub(crate) type DatabaseClock = SourceClock<DatabaseTime>;

pub(crate) struct DatabaseTime {
    machine: Arc<dyn Clock>,
    store: Weak<PostgresStore>,
    /// The shown time.
    shown: ClockOffset,
    /// The machine's time of day at the last reading.
    machine_offset: ClockOffset,
    is_doubtful: AtomicBool,
    /// Notified when a reading is needed at once.
    reading_wanted: Arc<Notify>,
}

impl DatabaseClock {
    /// Takes the first reading, and starts a task that takes further ones while the clock is used. The store compares
    /// each command with the database's clock from now on.
    pub(crate) async fn start(
        store: &Arc<PostgresStore>,
        machine: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let reading = read(store, &**machine).await?;
        let reading_wanted = Arc::new(Notify::new());
        store.compare_clocks(TOLERANCE, Arc::clone(&reading_wanted));
        let inner = Arc::new(DatabaseTime {
            machine: Arc::clone(machine),
            store: Arc::downgrade(store),
            shown: ClockOffset::of(reading.time + reading.round_trip / 2, reading.answered_at),
            machine_offset: ClockOffset::of(machine.now(), machine.monotonic()),
            is_doubtful: AtomicBool::new(false),
            reading_wanted,
        });
        inner.warn_if_machine_is_off();
        tokio::spawn(keep(Arc::downgrade(&inner)));
        Ok(SourceClock(inner))
    }
}

/// Takes readings until the clock or the store is gone.
async fn keep(clock: Weak<DatabaseTime>) {
    while let Some((sleep, reading_wanted)) =
        clock.upgrade().map(|it| (it.machine.sleep(READ_INTERVAL), Arc::clone(&it.reading_wanted)))
    {
        tokio::select! {
            () = sleep => {}
            () = reading_wanted.notified() => {}
        }
        let Some(clock) = clock.upgrade() else { return };
        let Some(store) = clock.store.upgrade() else { return };
        clock.compare(&store).await;
    }
}

impl DatabaseTime {
    /// Compares the clock with the database's. Returns false if that cannot be read; the clock keeps its last reading
    /// then.
    async fn compare(&self, store: &PostgresStore) -> bool {
        match store.read_clock(&*self.machine).await {
            Ok(reading) => {
                self.take(reading);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "the database's clock cannot be read now");
                false
            }
        }
    }

    /// Applies a reading. It only proves that the database's clock showed that time between the question and the
    /// response, so the clock stays as it is where it agrees, and otherwise moves by the smallest correction: a slow
    /// response does no harm.
    fn take(&self, ClockReading { time, answered_at, round_trip }: ClockReading) {
        let seen = self.shown.micros();
        let off = self.shown.correction(time, answered_at - round_trip, answered_at);
        self.shown.correct(seen, off);
        if off.unsigned_abs() > micros(JUMP).unsigned_abs() {
            count_jump("database");
            tracing::warn!(
                seconds = seconds(off),
                "this server's time was wrong by so much, and was set by the database's clock: the machine was suspended or put \
                 back, or the database's own clock was set"
            );
        }
        let (now, at) = (self.machine.now(), self.machine.monotonic());
        let stepped = self.machine_offset.behind(now, at);
        self.machine_offset.set(now, at);
        self.is_doubtful.store(false, Ordering::Relaxed);
        if stepped.unsigned_abs() > micros(JUMP).unsigned_abs() {
            count_jump("machine");
            tracing::warn!(
                seconds = seconds(stepped),
                "this machine's clock jumped; deadlines follow the database's clock, which was read again at once"
            );
            self.warn_if_machine_is_off();
        }
        let ahead = seconds(self.machine_offset.micros() - self.shown.micros());
        metrics::gauge!("countersign_clock_ahead_seconds").set(ahead);
    }

    /// Warns about a wrong clock of this machine. It disturbs nothing, but an operator wants to know.
    fn warn_if_machine_is_off(&self) {
        let ahead = self.machine_offset.micros() - self.shown.micros();
        if ahead.unsigned_abs() > micros(JUMP).unsigned_abs() {
            tracing::warn!(
                seconds = seconds(ahead),
                "this machine's clock differs from the database's clock, by which deadlines are judged"
            );
        }
    }
}

impl TimeSource for DatabaseTime {
    fn machine(&self) -> &dyn Clock {
        &*self.machine
    }

    /// Also detects a jump of the machine's clock.
    fn now(&self) -> Instant {
        let at = self.machine.monotonic();
        let stepped = self.machine_offset.behind(self.machine.now(), at);
        if stepped.unsigned_abs() > micros(JUMP).unsigned_abs()
            && !self.is_doubtful.swap(true, Ordering::Relaxed)
        {
            self.reading_wanted.notify_one();
        }
        self.shown.at(at)
    }

    fn is_doubtful(&self) -> bool {
        self.is_doubtful.load(Ordering::Relaxed)
    }

    fn checked(self: Arc<Self>) -> CheckedTime {
        Box::pin(async move {
            let store = self.store.upgrade()?;
            self.compare(&store).await.then(|| self.now())
        })
    }
}

#[cfg(test)]
mod tests {
    use countersign_testkit::ManualClock;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn clock(machine: &ManualClock) -> DatabaseTime {
        let (now, at) = (machine.now(), machine.monotonic());
        DatabaseTime {
            machine: Arc::new(machine.clone()),
            store: Weak::new(),
            shown: ClockOffset::of(now, at),
            machine_offset: ClockOffset::of(now, at),
            is_doubtful: AtomicBool::new(false),
            reading_wanted: Arc::default(),
        }
    }

    #[test]
    fn a_step_of_the_machines_clock_moves_nothing_and_is_doubtful_until_the_next_reading() {
        let machine = ManualClock::new();
        let noon = machine.now();
        let clock = clock(&machine);
        for stepped in [noon + Duration::from_secs(300), noon - Duration::from_secs(300)] {
            machine.step_wall(stepped);
            assert_eq!(clock.now(), noon);
            assert!(clock.is_doubtful.load(Ordering::Relaxed));
            let answered_at = machine.monotonic();
            clock.take(ClockReading { time: noon, answered_at, round_trip: MILLI });
            assert!(!clock.is_doubtful.load(Ordering::Relaxed));
            assert_eq!(clock.now(), noon);
            assert!(!clock.is_doubtful.load(Ordering::Relaxed), "a step is doubted once");
        }
    }

    #[test]
    fn the_next_reading_after_a_suspension_sets_the_clock() {
        let machine = ManualClock::new();
        let noon = machine.now();
        let clock = clock(&machine);
        // the monotonic clock stood still meanwhile
        let later = noon + Duration::from_secs(3_600);
        machine.step_wall(later);
        clock.now();
        assert!(clock.is_doubtful.load(Ordering::Relaxed));
        let answered_at = machine.monotonic();
        clock.take(ClockReading { time: later, answered_at, round_trip: MILLI });
        assert_eq!(clock.now(), later);
    }

    #[test]
    fn a_slow_response_moves_the_clock_by_the_smallest_correction() {
        let machine = ManualClock::new();
        machine.advance(Duration::from_secs(10));
        let noon = machine.now();
        let clock = clock(&machine);
        let answered_at = machine.monotonic();
        let tell = |time, round_trip| clock.take(ClockReading { time, answered_at, round_trip });
        tell(noon - 400 * MILLI, 800 * MILLI);
        assert_eq!(clock.now(), noon, "it may have been noon when the response arrived");
        tell(noon + 20 * MILLI, 800 * MILLI);
        assert_eq!(clock.now(), noon + 20 * MILLI);
        tell(noon, 5 * MILLI);
        assert_eq!(clock.now(), noon + 5 * MILLI);
    }

    #[test]
    fn the_clock_advances_with_the_monotonic_clock() {
        let machine = ManualClock::new();
        let clock = clock(&machine);
        let began = clock.now();
        machine.advance(Duration::from_secs(7));
        assert_eq!(clock.now(), began + Duration::from_secs(7));
        assert!(!clock.is_doubtful.load(Ordering::Relaxed));
    }
}
