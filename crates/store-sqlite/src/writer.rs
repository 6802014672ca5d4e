//! The writer: one thread that owns the one connection that writes.
//!
//! Commands wait in a bounded queue. The thread takes what is there, up to a bound, runs it all in one transaction and
//! answers everybody after the commit. While a commit is in flight, the next batch gathers by itself, and behind a large one
//! it is given some time to.
//!
//! A command decides before it writes, so one that answers a refusal has written nothing. One that fails otherwise
//! (which takes a bad row, or a bug) must not sink its neighbours and must leave nothing behind: the batch is rolled
//! back and run once more, now with a savepoint around each command. That is rare, and so the common path pays for no
//! savepoints.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use countersign_store::StoreError;
use countersign_store::health::{Health, PROBE_EVERY};
use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::Options;
use crate::connection;
use crate::log::Log;
use crate::statement::execute;
use crate::trouble::Trouble;
use crate::upkeep::Pulse;

/// A commit, or the writer's hand in folding the log, that takes so long has waited for the disk, and nobody else is to blame.
const STALL: Duration = Duration::from_millis(20);

/// A batch that takes longer is stuck: the disk does not answer, or another process keeps the file locked.
const STUCK: Duration = Duration::from_secs(5);

/// For each command of a batch the next batch begins so much later, counted from when its own began. A commit costs a sync
/// and a handful of wake-ups, however little is in it, so a busy store had better make fewer; and what comes alone goes at
/// once, since a commit takes longer than that.
const PACE: Duration = Duration::from_micros(300);
/// And so much later at most.
const PACE_MOST: Duration = Duration::from_micros(650);

/// A value that says what is to be written.
pub(crate) trait Command: Send + 'static {
    /// What it answers.
    type Answer: Send;

    /// Writes it, within a transaction that the writer began. May run a second time after the first was rolled back.
    fn run(&self, db: &Connection) -> Result<Self::Answer, Trouble>;
}

/// A command in the queue, whatever its answer is.
trait Job: Send {
    /// Runs it and keeps the answer for later.
    fn run(&mut self, db: &Connection) -> Result<(), Trouble>;
    /// Answers this instead, once the others are committed.
    fn set_failure(&mut self, error: StoreError);
    /// Hands out the answer: what was written is durable now.
    fn answer(self: Box<Self>);
    /// The failure that it will answer.
    fn failure(&self) -> Option<&StoreError>;
    /// Nothing was written, or nobody knows.
    fn refuse(self: Box<Self>, error: StoreError);
}

struct Slot<C: Command> {
    command: C,
    answer: Option<Result<C::Answer, StoreError>>,
    caller: oneshot::Sender<Result<C::Answer, StoreError>>,
}

impl<C: Command> Job for Slot<C> {
    fn run(&mut self, db: &Connection) -> Result<(), Trouble> {
        self.answer = Some(Ok(self.command.run(db)?));
        Ok(())
    }

    fn set_failure(&mut self, error: StoreError) {
        self.answer = Some(Err(error));
    }

    fn failure(&self) -> Option<&StoreError> {
        self.answer.as_ref()?.as_ref().err()
    }

    fn answer(self: Box<Self>) {
        if let Some(answer) = self.answer {
            // a caller that has gone away no longer wants to know
            let _ = self.caller.send(answer);
        }
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        let _ = self.caller.send(Err(error));
    }
}

/// The door to the writer. Dropping it waits until everything queued is written.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    pace: Arc<Pace>,
    thread: Option<JoinHandle<()>>,
}

/// How the thread fares, for others to see.
#[derive(Default)]
struct Pace {
    health: Health,
    /// When it began with the batch that it is at.
    began: Mutex<Option<Instant>>,
}

impl Writer {
    /// Starts the thread with a connection that is ready.
    pub(crate) fn start(
        mut db: Connection,
        path: PathBuf,
        options: Options,
    ) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(options.queue.max(1));
        let callers = Handle::try_current().ok();
        let log = Log::start(path.clone(), options.clone())?;
        log.watch(&mut db).map_err(|error| StoreError::from(Trouble::from(error)))?;
        let pace = Arc::<Pace>::default();
        let prober = queue.downgrade();
        let state = Thread {
            db: Some(db),
            log,
            path,
            options,
            jobs,
            callers,
            pace: Arc::clone(&pace),
            prober,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || state.work())
            .map_err(|error| StoreError::Unavailable(format!("no thread to write: {error}")))?;
        Ok(Self { queue: Some(queue), pace, thread: Some(thread) })
    }

    /// Whether the last batch was written, and the one that is being written does not take too long.
    pub(crate) fn fares_well(&self) -> Result<(), StoreError> {
        self.pace.health.status()?;
        let began = *self.pace.began.lock().unwrap_or_else(PoisonError::into_inner);
        match began.map(|began| began.elapsed()) {
            Some(took) if took > STUCK => {
                Err(StoreError::Unavailable(format!("a write has taken {} s", took.as_secs())))
            }
            _ => Ok(()),
        }
    }

    /// Queues a command and waits for its answer.
    pub(crate) async fn run<C: Command>(&self, command: C) -> Result<C::Answer, StoreError> {
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Slot { command, answer: None, caller });
        let queued = self.queue.as_ref().map(|queue| queue.try_send(job));
        match queued {
            Some(Ok(())) => answer.await.unwrap_or_else(|_| Err(stopped())),
            Some(Err(mpsc::error::TrySendError::Full(_))) => {
                Err(StoreError::Unavailable("too many writes are waiting".to_owned()))
            }
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => Err(stopped()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // its panic, if that is how it ended, has been printed
            let _ = thread.join();
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer has stopped".to_owned())
}

fn broken() -> StoreError {
    StoreError::Unavailable("a command could not be run to its end".to_owned())
}

struct Thread {
    db: Option<Connection>,
    log: Log,
    path: PathBuf,
    options: Options,
    jobs: mpsc::Receiver<Box<dyn Job>>,
    /// Where the callers run, if they run in a runtime.
    callers: Option<Handle>,
    pace: Arc<Pace>,
    /// The way back into the queue, for a probe.
    prober: mpsc::WeakSender<Box<dyn Job>>,
}

impl Thread {
    fn work(mut self) {
        let mut not_before = Instant::now();
        while let Some(first) = self.jobs.blocking_recv() {
            std::thread::sleep(not_before.saturating_duration_since(Instant::now()));
            let began = Instant::now();
            let mut batch = vec![first];
            while batch.len() < self.options.batch {
                let Ok(job) = self.jobs.try_recv() else { break };
                batch.push(job);
            }
            not_before = began + pace(batch.len());
            metrics::histogram!("countersign_store_batch_commands").record(float(batch.len()));
            metrics::gauge!("countersign_store_queue_commands").set(float(self.jobs.len()));
            self.set_began(Some(began));
            // A command that panics takes the connection along, which rolls its batch back; the next opens the file anew.
            let written = catch_unwind(AssertUnwindSafe(|| self.write(&mut batch)));
            let written = written.unwrap_or_else(|_| Err(broken()));
            self.set_began(None);
            let fault = match &written {
                Ok(()) => batch.iter().find_map(|job| job.failure()),
                Err(error) => Some(error),
            };
            if self.pace.health.record(fault) {
                self.probe();
            }
            if let Err(error) = &written {
                tracing::error!(%error, commands = batch.len(), "a batch of writes was lost");
            }
            let hand_out = move || match written {
                Ok(()) => batch.into_iter().for_each(Job::answer),
                Err(error) => batch.into_iter().for_each(|job| job.refuse(error.clone())),
            };
            match &self.callers {
                // From within the runtime all callers are woken by one wake-up of a worker, instead of one for each.
                Some(runtime) => drop(runtime.spawn(async { hand_out() })),
                None => hand_out(),
            }
            if let Some(db) = &self.db {
                self.log.tend(db);
            }
        }
    }

    fn set_began(&self, began: Option<Instant>) {
        *self.pace.began.lock().unwrap_or_else(PoisonError::into_inner) = began;
    }

    /// Tries to write every second until that succeeds.
    fn probe(&self) {
        let Some(callers) = &self.callers else { return };
        let (pace, queue) = (Arc::clone(&self.pace), self.prober.clone());
        callers.spawn(async move {
            while pace.health.keep_probing() {
                tokio::time::sleep(PROBE_EVERY).await;
                let (caller, answer) = oneshot::channel();
                let job = Box::new(Slot { command: Pulse, answer: None, caller });
                let Some(queue) = queue.upgrade() else { return };
                if queue.try_send(job).is_ok() {
                    drop(queue);
                    // the thread notes what comes of it
                    let _ = answer.await;
                }
            }
        });
    }

    fn write(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let db = match self.db.take() {
            Some(db) => db,
            None => {
                let mut db = connection::writer(&self.path, &self.options)?;
                self.log.watch(&mut db).map_err(Trouble::from)?;
                db
            }
        };
        match transact(&db, batch) {
            Ok(()) => {
                self.db = Some(db);
                Ok(())
            }
            // otherwise the connection is closed, and the next batch opens the file anew, which recovers it
            Err(lost) => {
                if lost.connection_is_sound {
                    self.db = Some(db);
                }
                Err(lost.error)
            }
        }
    }
}

/// How long after the beginning of a batch of so many commands the next one begins at the earliest.
fn pace(commands: usize) -> Duration {
    PACE.saturating_mul(u32::try_from(commands).unwrap_or(u32::MAX)).min(PACE_MOST)
}

/// Why a whole batch came to nothing, as far as anybody knows.
struct Lost {
    error: StoreError,
    connection_is_sound: bool,
}

impl Lost {
    /// While running, so what was written is rolled back, now or when the connection is closed.
    fn running(db: &Connection, error: impl Into<Trouble>) -> Self {
        Self { error: error.into().into(), connection_is_sound: db.is_autocommit() }
    }

    /// While committing: what was written may be there or not.
    fn committing(error: &rusqlite::Error) -> Self {
        Self {
            error: StoreError::Unavailable(format!("the commit failed: {error}")),
            connection_is_sound: false,
        }
    }
}

/// Runs a batch in a transaction.
fn transact(db: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), Lost> {
    let simple = |sql| execute(db, sql, ()).map_err(|error| Lost::running(db, error));
    simple("BEGIN IMMEDIATE")?;
    for job in &mut *batch {
        match job.run(db) {
            Ok(()) => {}
            Err(trouble) if db.is_autocommit() => return Err(Lost::running(db, trouble)),
            Err(_) => {
                simple("ROLLBACK")?;
                simple("BEGIN IMMEDIATE")?;
                run_each_alone(db, batch)?;
                break;
            }
        }
    }
    let began = Instant::now();
    match db.prepare_cached("COMMIT").and_then(|mut commit| commit.execute(())) {
        Ok(_) => {
            let took = began.elapsed();
            metrics::histogram!("countersign_store_commit_seconds").record(took);
            measure_stall(took);
            Ok(())
        }
        Err(error) => Err(Lost::committing(&error)),
    }
}

/// Counts what everybody has waited for, if it was long.
pub(crate) fn measure_stall(took: Duration) {
    if took >= STALL {
        metrics::histogram!("countersign_store_stall_seconds").record(took);
    }
}

/// The second run of a batch in which a command failed: that one fails alone.
fn run_each_alone(db: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), Lost> {
    let simple = |sql| execute(db, sql, ()).map_err(|error| Lost::running(db, error));
    for job in batch {
        simple("SAVEPOINT command")?;
        if let Err(trouble) = job.run(db) {
            if db.is_autocommit() {
                return Err(Lost::running(db, trouble));
            }
            simple("ROLLBACK TO command")?;
            let error = StoreError::from(trouble);
            tracing::error!(%error, "a write failed");
            job.set_failure(error);
        }
        simple("RELEASE command")?;
    }
    Ok(())
}

/// For the metrics, which know no other number.
fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SqliteStore;
    use countersign_store::seam::Upkeep;

    /// Ends the transaction under the feet of the batch, so that its commit fails.
    struct Saboteur;

    impl Command for Saboteur {
        type Answer = ();

        fn run(&self, db: &Connection) -> Result<(), Trouble> {
            execute(db, "ROLLBACK", ()).map(|_| ())
        }
    }

    /// Fails after the transaction is gone.
    struct Wrecker;

    impl Command for Wrecker {
        type Answer = ();

        fn run(&self, db: &Connection) -> Result<(), Trouble> {
            execute(db, "ROLLBACK", ())?;
            execute(db, "SELECT * FROM nowhere", ()).map(|_| ())
        }
    }

    struct Panicking;

    impl Command for Panicking {
        type Answer = ();

        fn run(&self, db: &Connection) -> Result<(), Trouble> {
            execute(db, "UPDATE installation SET pulse = -7", ())?;
            panic!("a bug");
        }
    }

    #[test]
    fn behind_a_large_batch_the_next_begins_a_little_later() {
        assert_eq!(pace(1), PACE);
        assert_eq!((pace(512), pace(usize::MAX)), (PACE_MOST, PACE_MOST));
    }

    async fn the_writer_goes_on_after<C: Command>(command: C) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = SqliteStore::open(path, Options::default()).unwrap();
        let (lost, checked) = tokio::join!(store.write(command), store.check());
        assert!(matches!(lost.err(), Some(StoreError::Unavailable(_))));
        // whether it shared the lost batch depends on how fast the writer was
        assert!(matches!(checked, Ok(()) | Err(StoreError::Unavailable(_))));
        assert_eq!(store.check().await, Ok(()));
    }

    #[tokio::test]
    async fn after_a_failed_commit_the_file_is_opened_anew() {
        the_writer_goes_on_after(Saboteur).await;
    }

    #[tokio::test]
    async fn a_command_that_panics_is_answered_and_leaves_nothing_behind() {
        the_writer_goes_on_after(Panicking).await;
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("store.db"), Options::default()).unwrap();
        assert_eq!(store.write(Panicking).await, Err(broken()));
        store.check().await.unwrap();
        let pulse = |db: &Connection| {
            db.query_row("SELECT pulse FROM installation", (), |row| row.get::<_, i64>(0))
                .map_err(Trouble::from)
        };
        assert!(store.read(pulse).unwrap() > 0);
    }

    #[tokio::test]
    async fn a_batch_whose_transaction_is_gone_is_lost() {
        the_writer_goes_on_after(Wrecker).await;
    }
}
