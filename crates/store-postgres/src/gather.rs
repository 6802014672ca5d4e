//! Group commit: commands of the same type share a transaction of a few statements over arrays.
//!
//! Commands wait in a bounded queue. A worker takes a batch, with at most one command for each key (such as the challenge), runs it, and
//! sends all results after the commit. There is no timer: while one batch is written, the next gathers. It begins beside that one only
//! when it has become as large, since most of the cost of a batch does not depend on its size.
//!
//! If the connection breaks during a commit, the commands that were written are looked up by their keys, and the others run again.
//!
//! A batch that fails is run once more, each command in a transaction of its own, so that only the failing command fails. A batch that
//! panics fails its callers, and the worker goes on. A caller waits until a deadline, the time in the queue included.

use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::time::Instant;
use countersign_store::error::StoreError;
use countersign_store::wait_budget::Wait;
use futures_util::FutureExt as _;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::{Instant as Deadline, timeout_at};

use crate::command::{Command, OnUnknownCommit, Planning};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::params::column;
use crate::session::Session;
use crate::time_limits::{TimeLimit, TimeLimits};

/// While one worker commits a batch, the other writes the next. With more workers, batches get smaller.
const WORKERS: usize = 2;
/// The most look-ups of a batch whose connection broke during its commit.
const LOOKUPS: usize = 16;

/// A command that can share a transaction with others of its type.
#[async_trait]
pub(crate) trait Gathered: Clone + Send + Sync + Sized + 'static {
    /// Its result.
    type Output: Send + 'static;
    /// How the statements of a batch are planned.
    const PLANNING: Planning = Planning::Cached;

    /// The time that it decides by, unless it compares that with the database's clock itself.
    fn decides_at(&self) -> Option<Instant> {
        None
    }

    /// The key, which no two commands of a batch share.
    fn key(&self) -> [u8; 16];

    /// Runs a batch. Returns the results in the same order.
    async fn run_all(all: &[Self], db: &Session) -> Result<Vec<Self::Output>, DatabaseError>;

    /// Looks up the results of a batch whose commit was not acknowledged, by keys that no other command can have used. `None` for a
    /// command that was not written, which is run again; `None` for all if there are no such keys.
    async fn look_up(
        _all: &[Self],
        _db: &Session,
    ) -> Result<Option<Vec<Option<Self::Output>>>, DatabaseError> {
        Ok(None)
    }
}

struct Batch<G>(Vec<G>);

#[async_trait]
impl<G: Gathered> Command for Batch<G> {
    type Output = Vec<G::Output>;
    const PLANNING: Planning = G::PLANNING;
    // The commands are looked up by their keys.
    const ON_UNKNOWN_COMMIT: OnUnknownCommit = OnUnknownCommit::ReturnError;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        let times = || self.0.iter().filter_map(G::decides_at);
        times().min().zip(times().max())
    }

    async fn run(&self, db: &Session) -> Result<Vec<G::Output>, DatabaseError> {
        G::run_all(&self.0, db).await
    }
}

struct LookUp<G>(Vec<G>);

#[async_trait]
impl<G: Gathered> Command for LookUp<G> {
    type Output = Option<Vec<Option<G::Output>>>;
    const PLANNING: Planning = Planning::Cached;
    const ON_UNKNOWN_COMMIT: OnUnknownCommit = OnUnknownCommit::RunAgain;

    async fn run(&self, db: &Session) -> Result<Self::Output, DatabaseError> {
        G::look_up(&self.0, db).await
    }
}

struct Job<G: Gathered> {
    command: G,
    caller: oneshot::Sender<Result<G::Output, StoreError>>,
    /// When the caller stops waiting. A command that has not begun by then does not begin.
    deadline: Deadline,
}

impl<G: Gathered> Job<G> {
    fn unless_expired(self, now: Deadline) -> Option<Self> {
        if now < self.deadline {
            return Some(self);
        }
        // The caller may not have noticed yet.
        let _ = self.caller.send(Err(DatabaseError::Timeout.into()));
        None
    }
}

/// The queue, and the commands whose key was in the batch before.
struct Queue<G: Gathered> {
    jobs: mpsc::Receiver<Job<G>>,
    deferred: VecDeque<Job<G>>,
    most: usize,
    /// The number of commands that are being written.
    under_way: watch::Receiver<usize>,
}

impl<G: Gathered> Queue<G> {
    /// Waits for the next batch; `None` when the queue is closed.
    async fn take(&mut self) -> Option<Vec<Job<G>>> {
        let mut batch = Vec::new();
        let mut keys = HashSet::new();
        let deferred = std::mem::take(&mut self.deferred);
        let mut sort = |job: Job<G>, batch: &mut Vec<_>, deferred: &mut VecDeque<_>| {
            if batch.len() < self.most && keys.insert(job.command.key()) {
                batch.push(job);
            } else {
                deferred.push_back(job);
            }
        };
        let now = Deadline::now();
        for job in deferred {
            if let Some(job) = job.unless_expired(now) {
                sort(job, &mut batch, &mut self.deferred);
            }
        }
        while batch.is_empty() {
            let first = self.jobs.recv().await?;
            if let Some(first) = first.unless_expired(Deadline::now()) {
                sort(first, &mut batch, &mut self.deferred);
            }
        }
        while batch.len() < self.most && self.deferred.len() < self.most {
            let job = match self.jobs.try_recv() {
                Ok(job) => job,
                Err(_) if batch.len() >= *self.under_way.borrow_and_update() => break,
                Err(_) => tokio::select! {
                    Some(job) = self.jobs.recv() => job,
                    Ok(()) = self.under_way.changed() => continue,
                    else => break,
                },
            };
            sort(job, &mut batch, &mut self.deferred);
        }
        Some(batch)
    }
}

/// Counts commands that are being written, until this is dropped.
struct InFlight<'a>(&'a watch::Sender<usize>, usize);

impl<'a> InFlight<'a> {
    fn of(under_way: &'a watch::Sender<usize>, commands: usize) -> Self {
        under_way.send_modify(|all| *all += commands);
        Self(under_way, commands)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|all| *all -= self.1);
    }
}

/// The handle of the workers, which stop when all its clones are dropped.
#[derive(Clone)]
pub(crate) struct Gatherer<G: Gathered> {
    queue: mpsc::Sender<Job<G>>,
    time_limits: TimeLimits,
}

impl<G: Gathered> Gatherer<G> {
    /// Starts the workers. At most `queue` commands wait, and at most `batch` share a transaction.
    pub(crate) fn start(db: &Database, (most_queued, batch): (usize, usize)) -> Self {
        let (sender, jobs) = mpsc::channel(most_queued.max(1));
        let (load, under_way) = watch::channel(0);
        let queue = Queue { jobs, deferred: VecDeque::new(), most: batch.max(1), under_way };
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..WORKERS {
            tokio::spawn(work(db.clone(), Arc::clone(&queue), load.clone()));
        }
        Self { queue: sender, time_limits: db.time_limits }
    }

    /// Queues a command and waits for its result.
    pub(crate) async fn run(&self, command: G) -> Result<G::Output, StoreError> {
        let (caller, answer) = oneshot::channel();
        let (deadline, _wait) = (self.time_limits.deadline(TimeLimit::Request), Wait::begin());
        match self.queue.try_send(Job { command, caller, deadline }) {
            Ok(()) => match timeout_at(deadline, answer).await {
                Ok(answered) => answered.unwrap_or_else(|_| Err(stopped())),
                Err(_) => Err(DatabaseError::Timeout.into()),
            },
            Err(mpsc::error::TrySendError::Full(_)) => Err(too_many()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(stopped()),
        }
    }
}

async fn work<G: Gathered>(db: Database, queue: Arc<Mutex<Queue<G>>>, load: watch::Sender<usize>) {
    loop {
        let mut waiting = queue.lock().await;
        let Some(batch) = waiting.take().await else { return };
        let written = InFlight::of(&load, batch.len());
        drop(waiting);
        let deadline = batch.iter().map(|job| job.deadline).max();
        let deadline = deadline.unwrap_or_else(Deadline::now);
        let (commands, callers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|job| (job.command, job.caller)).unzip();
        let ran = AssertUnwindSafe(run(&db, commands, deadline)).catch_unwind().await;
        drop(written);
        let Ok(answers) = ran else {
            // The panic has been logged. The connection of the batch is closed.
            tracing::error!(commands = callers.len(), "a batch of writes panicked");
            for caller in callers {
                let _ = caller.send(Err(broken()));
            }
            continue;
        };
        for (caller, answer) in callers.into_iter().zip(answers) {
            // The caller may be gone.
            let _ = caller.send(answer);
        }
    }
}

async fn run<G: Gathered>(
    db: &Database,
    commands: Vec<G>,
    deadline: Deadline,
) -> Vec<Result<G::Output, StoreError>> {
    let batch = Batch(commands);
    let error = match run_until_known(db, &batch, deadline).await {
        Ok(answers) => return answers.into_iter().map(Ok).collect(),
        Err(failure @ DatabaseError::Sql(_))
            if batch.0.len() > 1 && !failure.is_transient() && !failure.is_timeout() =>
        {
            return run_each_alone(db, batch.0, deadline).await;
        }
        // A single statement has committed by itself.
        Err(failure @ DatabaseError::Corrupt(_))
            if batch.0.len() > 1 && G::PLANNING != Planning::SingleStatement =>
        {
            tracing::error!(?failure, "a batch of writes met a corrupt row");
            return run_each_alone(db, batch.0, deadline).await;
        }
        Err(failure) => StoreError::from(failure),
    };
    tracing::error!(%error, commands = batch.0.len(), "a batch of writes failed");
    batch.0.iter().map(|_| Err(error.clone())).collect()
}

/// Runs a batch. If the connection breaks during the commit, looks up which commands were written and runs the others again.
async fn run_until_known<G: Gathered>(
    db: &Database,
    batch: &Batch<G>,
    deadline: Deadline,
) -> Result<Vec<G::Output>, DatabaseError> {
    let why = match db.transact_until(batch, deadline).await {
        Err(DatabaseError::CommitUnknown(why)) => why,
        done => return done,
    };
    let mut answers: Vec<Option<G::Output>> = batch.0.iter().map(|_| None).collect();
    for _ in 0..LOOKUPS {
        let left: Vec<usize> = (0..answers.len()).filter(|at| answers[*at].is_none()).collect();
        let commands = || column(&left, |at| batch.0[*at].clone());
        let found = match db.transact_until(&LookUp(commands()), deadline).await {
            Ok(Some(found)) => found,
            Ok(None) | Err(_) => break,
        };
        for (at, found) in left.iter().zip(found) {
            answers[*at] = found;
        }
        let left: Vec<usize> = left.into_iter().filter(|at| answers[*at].is_none()).collect();
        if !left.is_empty() {
            let rest = Batch(column(&left, |at| batch.0[*at].clone()));
            match db.transact_until(&rest, deadline).await {
                Ok(ran) => left.into_iter().zip(ran).for_each(|(at, ran)| answers[at] = Some(ran)),
                Err(DatabaseError::CommitUnknown(_)) => continue,
                Err(error) => return Err(error),
            }
        }
        return Ok(answers.into_iter().flatten().collect());
    }
    Err(DatabaseError::CommitUnknown(why))
}

async fn run_each_alone<G: Gathered>(
    db: &Database,
    commands: Vec<G>,
    deadline: Deadline,
) -> Vec<Result<G::Output, StoreError>> {
    let mut answers = Vec::with_capacity(commands.len());
    for command in commands {
        let answer = match run_until_known(db, &Batch(vec![command]), deadline).await {
            Ok(mut alone) => alone.pop().ok_or_else(stopped),
            Err(error) => Err(StoreError::from(error)),
        };
        if let Err(error) = &answer {
            tracing::error!(%error, "a write failed");
        }
        answers.push(answer);
    }
    answers
}

pub(crate) fn too_many() -> StoreError {
    StoreError::Unavailable("too many writes are waiting".to_owned())
}

/// The task that ran the command has panicked.
pub(crate) fn broken() -> StoreError {
    StoreError::Unavailable("the command could not be run to its end".to_owned())
}

pub(crate) fn stopped() -> StoreError {
    StoreError::Unavailable("the store has stopped".to_owned())
}

#[cfg(test)]
mod tests {
    use countersign_testkit::postgres::TestDatabase;

    use super::*;
    use crate::options::Options;
    use crate::store::PostgresStore;

    /// Writes, and may panic before the commit.
    #[derive(Clone)]
    struct Count {
        panics: bool,
    }

    #[async_trait]
    impl Gathered for Count {
        type Output = ();

        fn key(&self) -> [u8; 16] {
            [0; 16]
        }

        async fn run_all(all: &[Self], db: &Session) -> Result<Vec<()>, DatabaseError> {
            db.execute("UPDATE installation SET pulse = pulse + 1", &[]).await?;
            assert!(!all.iter().any(|count| count.panics), "a bug");
            Ok(vec![(); all.len()])
        }
    }

    #[tokio::test]
    async fn a_batch_that_panics_fails_its_callers_and_the_workers_go_on() {
        let database = TestDatabase::new();
        // The connection of the panic must not be reused: its transaction would still hold the row.
        let options = Options { url: database.url(), connections: 1, ..Options::default() };
        let store = PostgresStore::connect(options).await.unwrap();
        let gatherer = Gatherer::start(&store.db, (16, 16));
        let pulse = "SELECT pulse FROM installation";
        let before: i64 = database.psql(pulse).parse().unwrap();
        for _ in 0..3 * WORKERS {
            assert_eq!(gatherer.run(Count { panics: true }).await, Err(broken()));
        }
        assert_eq!(gatherer.run(Count { panics: false }).await, Ok(()));
        assert_eq!(database.psql(pulse).parse(), Ok(before + 1));
    }
}
