//! The writer: one thread that owns the one connection that writes.
//!
//! Commands wait in a bounded queue. The thread takes a batch of them, runs it in one transaction, and sends all results after the
//! commit. While a commit is in flight, the next batch gathers in the queue; after a large batch the thread waits a little, so
//! that the next one is large too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use countersign_store::error::{StoreError, StoreResult};
use countersign_store::health::{Health, PROBE_EVERY};
use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::batch::{Job, Slot, transact};
use crate::checkpoint::Checkpointer;
use crate::command::Command;
use crate::connection;
use crate::error::DatabaseError;
use crate::options::Options;
use crate::test_write::TestWrite;

/// A batch that takes longer is stuck: the disk does not respond, or another process keeps the file locked.
const STUCK: Duration = Duration::from_secs(5);

/// The minimum time between the beginnings of two batches, for each command of the first. A commit costs a sync and several
/// wake-ups, whatever its size, so a busy store makes fewer commits. A single command is not delayed, since its commit takes
/// longer than that.
const PACE: Duration = Duration::from_micros(300);
/// The upper bound of that time.
const PACE_MOST: Duration = Duration::from_micros(650);

/// The handle of the writer. Dropping it waits until everything queued is written.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

/// The state of the thread, for its callers.
#[derive(Default)]
struct Progress {
    health: Health,
    /// When the current batch began.
    began: Mutex<Option<Instant>>,
}

impl Writer {
    /// Starts the thread with an open connection.
    pub(crate) fn start(mut db: Connection, path: PathBuf, options: Options) -> StoreResult<Self> {
        let (queue, jobs) = mpsc::channel(options.queue.max(1));
        let callers = Handle::try_current().ok();
        let checkpointer = Checkpointer::start(path.clone(), options.clone())?;
        checkpointer
            .watch(&mut db)
            .map_err(|error| StoreError::from(DatabaseError::from(error)))?;
        let progress = Arc::<Progress>::default();
        let prober = queue.downgrade();
        let state = Thread {
            db: Some(db),
            checkpointer,
            path,
            options,
            jobs,
            callers,
            progress: Arc::clone(&progress),
            prober,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || state.work())
            .map_err(|error| StoreError::Unavailable(format!("no thread to write: {error}")))?;
        Ok(Self { queue: Some(queue), progress, thread: Some(thread) })
    }

    /// Checks that the last batch was written and that the current one does not take too long.
    pub(crate) fn check(&self) -> StoreResult<()> {
        self.progress.health.status()?;
        let began = *self.progress.began.lock().unwrap_or_else(PoisonError::into_inner);
        match began.map(|began| began.elapsed()) {
            Some(took) if took > STUCK => {
                Err(StoreError::Unavailable(format!("a write has taken {} s", took.as_secs())))
            }
            _ => Ok(()),
        }
    }

    /// Queues a command and waits for its result.
    pub(crate) async fn run<C: Command>(&self, command: C) -> StoreResult<C::Output> {
        let (job, result) = Slot::job(command);
        let queued = self.queue.as_ref().map(|queue| queue.try_send(job));
        match queued {
            Some(Ok(())) => result.await.unwrap_or_else(|_| Err(stopped())),
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
            // A panic of the thread has been logged.
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
    checkpointer: Checkpointer,
    path: PathBuf,
    options: Options,
    jobs: mpsc::Receiver<Box<dyn Job>>,
    /// The runtime of the callers, if they have one.
    callers: Option<Handle>,
    progress: Arc<Progress>,
    /// The queue, for the prober.
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
            // A panic drops the connection, which rolls the batch back; the next batch opens the file again.
            let written = catch_unwind(AssertUnwindSafe(|| self.write(&mut batch)));
            let written = written.unwrap_or_else(|_| Err(broken()));
            self.set_began(None);
            let error = match &written {
                Ok(()) => batch.iter().find_map(|job| job.failure()),
                Err(error) => Some(error),
            };
            if self.progress.health.record(error) {
                self.probe();
            }
            if let Err(error) = &written {
                tracing::error!(%error, commands = batch.len(), "a batch of writes failed");
            }
            let send_results = move || match written {
                Ok(()) => batch.into_iter().for_each(Job::send),
                Err(error) => batch.into_iter().for_each(|job| job.fail(error.clone())),
            };
            match &self.callers {
                // A task of the runtime wakes all callers with one wake-up of a worker instead of one for each caller.
                Some(runtime) => drop(runtime.spawn(async { send_results() })),
                None => send_results(),
            }
            if let Some(db) = &self.db {
                self.checkpointer.tend(db);
            }
        }
    }

    fn set_began(&self, began: Option<Instant>) {
        *self.progress.began.lock().unwrap_or_else(PoisonError::into_inner) = began;
    }

    /// Starts the prober, which tries to write every second until that succeeds.
    fn probe(&self) {
        let Some(callers) = &self.callers else { return };
        let (progress, queue) = (Arc::clone(&self.progress), self.prober.clone());
        callers.spawn(async move {
            while progress.health.keep_probing() {
                tokio::time::sleep(PROBE_EVERY).await;
                let (job, result) = Slot::job(TestWrite);
                let Some(queue) = queue.upgrade() else { return };
                if queue.try_send(job).is_ok() {
                    drop(queue);
                    // The thread records the outcome.
                    let _ = result.await;
                }
            }
        });
    }

    fn write(&mut self, batch: &mut [Box<dyn Job>]) -> StoreResult<()> {
        let db = match self.db.take() {
            Some(db) => db,
            None => {
                let mut db = connection::writer(&self.path, &self.options)?;
                self.checkpointer.watch(&mut db).map_err(DatabaseError::from)?;
                db
            }
        };
        match transact(&db, batch) {
            Ok(()) => {
                self.db = Some(db);
                Ok(())
            }
            // An unusable connection is closed; the next batch opens the file again, which recovers it.
            Err(failed) => {
                if failed.connection_is_usable {
                    self.db = Some(db);
                }
                Err(failed.error)
            }
        }
    }
}

/// The minimum time from the beginning of a batch of that many commands to the beginning of the next.
fn pace(commands: usize) -> Duration {
    PACE.saturating_mul(u32::try_from(commands).unwrap_or(u32::MAX)).min(PACE_MOST)
}

/// A number for the metrics.
fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::execute;
    use crate::store::SqliteStore;
    use countersign_store::seam::Upkeep;

    /// Ends the transaction of its batch, so that the commit fails.
    struct EndsTransaction;

    impl Command for EndsTransaction {
        type Output = ();

        fn run(&self, db: &Connection) -> Result<(), DatabaseError> {
            execute(db, "ROLLBACK", ()).map(|_| ())
        }
    }

    /// Ends the transaction of its batch, and fails.
    struct EndsTransactionAndFails;

    impl Command for EndsTransactionAndFails {
        type Output = ();

        fn run(&self, db: &Connection) -> Result<(), DatabaseError> {
            execute(db, "ROLLBACK", ())?;
            execute(db, "SELECT * FROM nowhere", ()).map(|_| ())
        }
    }

    struct Panicking;

    impl Command for Panicking {
        type Output = ();

        fn run(&self, db: &Connection) -> Result<(), DatabaseError> {
            execute(db, "UPDATE installation SET pulse = -7", ())?;
            panic!("a bug");
        }
    }

    #[test]
    fn after_a_large_batch_the_next_begins_later() {
        assert_eq!(pace(1), PACE);
        assert_eq!((pace(512), pace(usize::MAX)), (PACE_MOST, PACE_MOST));
    }

    async fn the_writer_goes_on_after<C: Command<Output = ()>>(command: C) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = SqliteStore::open(path, Options::default()).unwrap();
        let (failed, checked) = tokio::join!(store.write(command), store.check());
        assert!(matches!(failed.err(), Some(StoreError::Unavailable(_))));
        // Whether the check shared the failed batch depends on how fast the writer was.
        assert!(matches!(checked, Ok(()) | Err(StoreError::Unavailable(_))));
        assert_eq!(store.check().await, Ok(()));
    }

    #[tokio::test]
    async fn after_a_failed_commit_the_file_is_opened_again() {
        the_writer_goes_on_after(EndsTransaction).await;
    }

    #[tokio::test]
    async fn a_command_that_panics_fails_and_leaves_nothing_behind() {
        the_writer_goes_on_after(Panicking).await;
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("store.db"), Options::default()).unwrap();
        assert_eq!(store.write(Panicking).await, Err(broken()));
        store.check().await.unwrap();
        let pulse = |db: &Connection| {
            db.query_row("SELECT pulse FROM installation", (), |row| row.get::<_, i64>(0))
                .map_err(DatabaseError::from)
        };
        assert!(store.read(pulse).unwrap() > 0);
    }

    #[tokio::test]
    async fn a_batch_whose_transaction_is_gone_fails() {
        the_writer_goes_on_after(EndsTransactionAndFails).await;
    }
}
