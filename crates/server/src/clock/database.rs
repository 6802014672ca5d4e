//! The clock of the nodes of one database.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Look};
use countersign_store_postgres::{ClockReading, PostgresStore, Tolerance};
use tokio::sync::Notify;

use super::follower::{Follower, Shows};
use super::origin::{Origin, count_jump, micros, seconds};

/// The first question on a connection takes longer, and so does one that met other work: the quickest counts.
const QUESTIONS: usize = 4;

/// The monotonic hands of two machines drift apart by some microseconds a second; a machine that was suspended is found out
/// as late as this.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A difference beyond this is a jump, and no drift or slow answer.
const JUMP: Duration = Duration::from_secs(1);

/// A command whose time is further from the database's is given up. Requests that wait for a busy database arrive late.
const TOLERANCE: Tolerance =
    Tolerance { ahead: Duration::from_secs(1), behind: Duration::from_secs(10) };

/// Asks the database for the time, and takes the quickest answer of some.
///
/// # Errors
/// The database cannot be asked.
pub(crate) async fn read(store: &PostgresStore, clock: &dyn Clock) -> anyhow::Result<ClockReading> {
    let mut best = store.read_clock(clock).await?;
    for _ in 1..QUESTIONS {
        let next = store.read_clock(clock).await?;
        if next.round_trip < best.round_trip {
            best = next;
        }
    }
    Ok(best)
}

/// A clock that shows the database's time: what that was at the last reading, and how much time has passed since by the
/// machine's monotonic hand. It is compared again every second.
///
/// The machine's time of day is only looked at to notice that it was set, or that the machine was suspended, which stops the
/// monotonic hand. Then the time is doubtful until the next reading, which is taken at once.
pub(crate) type DatabaseClock = Follower<Inner>;

pub(crate) struct Inner {
    machine: Arc<dyn Clock>,
    store: Weak<PostgresStore>,
    /// The shown time.
    shown: Origin,
    /// The machine's time of day, as it was at the last reading.
    machines: Origin,
    is_doubtful: AtomicBool,
    /// Told when a reading is wanted now.
    doubt: Arc<Notify>,
}

impl DatabaseClock {
    /// Takes the first reading, and others as long as the clock is used. From now on the store compares each command with the
    /// database's clock as well.
    pub(crate) async fn start(
        store: &Arc<PostgresStore>,
        machine: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let reading = read(store, &**machine).await?;
        let doubt = Arc::new(Notify::new());
        store.compare_clocks(TOLERANCE, Arc::clone(&doubt));
        let inner = Arc::new(Inner {
            machine: Arc::clone(machine),
            store: Arc::downgrade(store),
            shown: Origin::of(reading.time + reading.round_trip / 2, reading.answered_at),
            machines: Origin::of(machine.now(), machine.monotonic()),
            is_doubtful: AtomicBool::new(false),
            doubt,
        });
        inner.tell_of_the_machine();
        tokio::spawn(keep(Arc::downgrade(&inner)));
        Ok(Follower(inner))
    }
}

/// Takes readings until the clock or the store is gone.
async fn keep(clock: Weak<Inner>) {
    while let Some((sleep, doubt)) =
        clock.upgrade().map(|it| (it.machine.sleep(ASK_AGAIN_AFTER), Arc::clone(&it.doubt)))
    {
        tokio::select! {
            () = sleep => {}
            () = doubt.notified() => {}
        }
        let Some(clock) = clock.upgrade() else { return };
        let Some(store) = clock.store.upgrade() else { return };
        clock.compare(&store).await;
    }
}

impl Inner {
    /// Compares the clock with the database's; whether that could be asked. Otherwise it goes on by what it was told last.
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

    /// A reading tells no more than that the database's clock showed that time between question and answer. Where the clock
    /// agrees it stays as it is, otherwise it moves as little as it must: a slow answer spoils nothing.
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
        let stepped = self.machines.behind(now, at);
        self.machines.set(now, at);
        self.is_doubtful.store(false, Ordering::Relaxed);
        if stepped.unsigned_abs() > micros(JUMP).unsigned_abs() {
            count_jump("machine");
            tracing::warn!(
                seconds = seconds(stepped),
                "this machine's clock jumped by so much; deadlines go by the database's clock, which was asked at once"
            );
            self.tell_of_the_machine();
        }
        let ahead = seconds(self.machines.micros() - self.shown.micros());
        metrics::gauge!("countersign_clock_ahead_seconds").set(ahead);
    }

    /// A machine whose clock is wrong works all the same, and an operator wants to know.
    fn tell_of_the_machine(&self) {
        let ahead = self.machines.micros() - self.shown.micros();
        if ahead.unsigned_abs() > micros(JUMP).unsigned_abs() {
            tracing::warn!(
                seconds = seconds(ahead),
                "this machine's clock is so far ahead of the database's, by which deadlines are judged"
            );
        }
    }
}

impl Shows for Inner {
    fn machine(&self) -> &dyn Clock {
        &*self.machine
    }

    /// Notices that the machine's clock has jumped.
    fn now(&self) -> Instant {
        let at = self.machine.monotonic();
        let stepped = self.machines.behind(self.machine.now(), at);
        if stepped.unsigned_abs() > micros(JUMP).unsigned_abs()
            && !self.is_doubtful.swap(true, Ordering::Relaxed)
        {
            self.doubt.notify_one();
        }
        self.shown.at(at)
    }

    fn is_doubtful(&self) -> bool {
        self.is_doubtful.load(Ordering::Relaxed)
    }

    fn checked(self: Arc<Self>) -> Look {
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

    fn clock(machine: &ManualClock) -> Inner {
        let (now, at) = (machine.now(), machine.monotonic());
        Inner {
            machine: Arc::new(machine.clone()),
            store: Weak::new(),
            shown: Origin::of(now, at),
            machines: Origin::of(now, at),
            is_doubtful: AtomicBool::new(false),
            doubt: Arc::default(),
        }
    }

    #[test]
    fn a_step_of_the_machines_clock_moves_nothing_and_is_doubted_until_the_next_reading() {
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
    fn after_a_suspension_the_next_reading_sets_the_clock() {
        let machine = ManualClock::new();
        let noon = machine.now();
        let clock = clock(&machine);
        // the monotonic hand stood still meanwhile
        let later = noon + Duration::from_secs(3_600);
        machine.step_wall(later);
        clock.now();
        assert!(clock.is_doubtful.load(Ordering::Relaxed));
        let answered_at = machine.monotonic();
        clock.take(ClockReading { time: later, answered_at, round_trip: MILLI });
        assert_eq!(clock.now(), later);
    }

    #[test]
    fn a_slow_answer_moves_the_clock_no_further_than_it_must() {
        let machine = ManualClock::new();
        machine.advance(Duration::from_secs(10));
        let noon = machine.now();
        let clock = clock(&machine);
        let answered_at = machine.monotonic();
        let tell = |time, round_trip| clock.take(ClockReading { time, answered_at, round_trip });
        tell(noon - 400 * MILLI, 800 * MILLI);
        assert_eq!(clock.now(), noon, "it may have been noon when the answer had come");
        tell(noon + 20 * MILLI, 800 * MILLI);
        assert_eq!(clock.now(), noon + 20 * MILLI);
        tell(noon, 5 * MILLI);
        assert_eq!(clock.now(), noon + 5 * MILLI);
    }

    #[test]
    fn the_clock_goes_on_by_the_monotonic_hand() {
        let machine = ManualClock::new();
        let clock = clock(&machine);
        let began = clock.now();
        machine.advance(Duration::from_secs(7));
        assert_eq!(clock.now(), began + Duration::from_secs(7));
        assert!(!clock.is_doubtful.load(Ordering::Relaxed));
    }
}
