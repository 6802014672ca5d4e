//! Gathering neighbours: commands of the same kind share a transaction of a few statements over arrays.
//!
//! Commands wait in a bounded queue. A worker takes what is there, up to a bound and at most one for each key (such as the
//! challenge), runs it all and answers everybody after the commit. There is no timer: while one batch is written, the next
//! gathers by itself. It begins beside that one only when it has become as large: most of what a small batch costs the
//! database is the same for a large one.
//!
//! If the connection breaks during a commit, what was written is looked up by its keys, and the rest is run again.
//!
//! A batch that fails for a reason of its own is run once more, each command alone, so that none sinks its neighbours. One that
//! panics fails its callers, and the worker goes on. A caller waits until a deadline, the time in the queue included.

use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::time::Instant;
use countersign_store::StoreError;
use countersign_store::wait_budget::Wait;
use futures_util::FutureExt as _;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::{Instant as Deadline, timeout_at};

use crate::bounds::{Bounds, Hurry};
use crate::command::{Command, InDoubt, Runs};
use crate::database::{Database, Session};
use crate::params::column;
use crate::trouble::Trouble;

/// While one batch is committed, the next is written. With more, batches get smaller.
const WORKERS: usize = 2;
/// Look-ups of a batch whose connection broke during its commit, at most.
const LOOKS: usize = 16;

/// A command that can be run together with its like.
#[async_trait]
pub(crate) trait Gathered: Clone + Send + Sync + Sized + 'static {
    /// What it answers.
    type Answer: Send + 'static;
    /// What all of them run in.
    const RUN: Runs = Runs::PlannedOnce;

    /// The time that it decides by, unless it compares that with the database's clock itself.
    fn decides_at(&self) -> Option<Instant> {
        None
    }

    /// What no two of a batch may have in common.
    fn key(&self) -> [u8; 16];

    /// Runs them all; the answers in the same order.
    async fn run_all(all: &[Self], db: &Session) -> Result<Vec<Self::Answer>, Trouble>;

    /// Looks what became of them after a commit whose answer was lost, by keys that nobody else can have used: the answers of
    /// those that were written. Those that were not (`None`) are run again. Without such keys nothing can be told.
    async fn look_again(
        _all: &[Self],
        _db: &Session,
    ) -> Result<Option<Vec<Option<Self::Answer>>>, Trouble> {
        Ok(None)
    }
}

struct Batch<G>(Vec<G>);

#[async_trait]
impl<G: Gathered> Command for Batch<G> {
    type Answer = Vec<G::Answer>;
    const RUNS: Runs = G::RUN;
    // its commands are looked up by their keys
    const IN_DOUBT: InDoubt = InDoubt::Tells;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        let times = || self.0.iter().filter_map(G::decides_at);
        times().min().zip(times().max())
    }

    async fn run(&self, db: &Session) -> Result<Vec<G::Answer>, Trouble> {
        G::run_all(&self.0, db).await
    }
}

struct LookAgain<G>(Vec<G>);

#[async_trait]
impl<G: Gathered> Command for LookAgain<G> {
    type Answer = Option<Vec<Option<G::Answer>>>;
    const RUNS: Runs = Runs::PlannedOnce;
    const IN_DOUBT: InDoubt = InDoubt::RunsAgain;

    async fn run(&self, db: &Session) -> Result<Self::Answer, Trouble> {
        G::look_again(&self.0, db).await
    }
}

struct Job<G: Gathered> {
    command: G,
    caller: oneshot::Sender<Result<G::Answer, StoreError>>,
    /// From then on the caller has been told that there is no answer; what has not begun is not begun any more.
    deadline: Deadline,
}

impl<G: Gathered> Job<G> {
    fn unless_late(self, now: Deadline) -> Option<Self> {
        if now < self.deadline {
            return Some(self);
        }
        // the caller may not have noticed yet
        let _ = self.caller.send(Err(Trouble::Late.into()));
        None
    }
}

/// The queue, and those whose key was in the batch before.
struct Line<G: Gathered> {
    jobs: mpsc::Receiver<Job<G>>,
    held: VecDeque<Job<G>>,
    most: usize,
    /// How many commands are being written.
    under_way: watch::Receiver<usize>,
}

impl<G: Gathered> Line<G> {
    /// The next batch, when it is time for it; `None` when there will be no more.
    async fn take(&mut self) -> Option<Vec<Job<G>>> {
        let mut batch = Vec::new();
        let mut keys = HashSet::new();
        let held = std::mem::take(&mut self.held);
        let mut sort = |job: Job<G>, batch: &mut Vec<_>, held: &mut VecDeque<_>| {
            if batch.len() < self.most && keys.insert(job.command.key()) {
                batch.push(job);
            } else {
                held.push_back(job);
            }
        };
        let now = Deadline::now();
        for job in held {
            if let Some(job) = job.unless_late(now) {
                sort(job, &mut batch, &mut self.held);
            }
        }
        while batch.is_empty() {
            let first = self.jobs.recv().await?;
            if let Some(first) = first.unless_late(Deadline::now()) {
                sort(first, &mut batch, &mut self.held);
            }
        }
        while batch.len() < self.most && self.held.len() < self.most {
            let job = match self.jobs.try_recv() {
                Ok(job) => job,
                Err(_) if batch.len() >= *self.under_way.borrow_and_update() => break,
                Err(_) => tokio::select! {
                    Some(job) = self.jobs.recv() => job,
                    Ok(()) = self.under_way.changed() => continue,
                    else => break,
                },
            };
            sort(job, &mut batch, &mut self.held);
        }
        Some(batch)
    }
}

/// Commands that are being written, until this is dropped.
struct Load<'a>(&'a watch::Sender<usize>, usize);

impl<'a> Load<'a> {
    fn of(under_way: &'a watch::Sender<usize>, commands: usize) -> Self {
        under_way.send_modify(|all| *all += commands);
        Self(under_way, commands)
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|all| *all -= self.1);
    }
}

/// The door to the workers, who stop when it is dropped.
pub(crate) struct Gatherer<G: Gathered> {
    queue: mpsc::Sender<Job<G>>,
    bounds: Bounds,
}

impl<G: Gathered> Gatherer<G> {
    /// Starts the workers. At most `queue` commands wait, and `batch` share a transaction.
    pub(crate) fn start(db: &Database, (queue, batch): (usize, usize)) -> Self {
        let (sender, jobs) = mpsc::channel(queue.max(1));
        let (load, under_way) = watch::channel(0);
        let line = Line { jobs, held: VecDeque::new(), most: batch.max(1), under_way };
        let line = Arc::new(Mutex::new(line));
        for _ in 0..WORKERS {
            tokio::spawn(work(db.clone(), Arc::clone(&line), load.clone()));
        }
        Self { queue: sender, bounds: db.bounds }
    }

    /// Queues a command and waits for its answer.
    pub(crate) async fn run(&self, command: G) -> Result<G::Answer, StoreError> {
        let (caller, answer) = oneshot::channel();
        let (deadline, _wait) = (self.bounds.deadline(Hurry::Request), Wait::begin());
        match self.queue.try_send(Job { command, caller, deadline }) {
            Ok(()) => match timeout_at(deadline, answer).await {
                Ok(answered) => answered.unwrap_or_else(|_| Err(stopped())),
                Err(_) => Err(Trouble::Late.into()),
            },
            Err(mpsc::error::TrySendError::Full(_)) => Err(too_many()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(stopped()),
        }
    }
}

async fn work<G: Gathered>(db: Database, line: Arc<Mutex<Line<G>>>, load: watch::Sender<usize>) {
    loop {
        let mut line = line.lock().await;
        let Some(batch) = line.take().await else { return };
        let written = Load::of(&load, batch.len());
        drop(line);
        let deadline = batch.iter().map(|job| job.deadline).max();
        let deadline = deadline.unwrap_or_else(Deadline::now);
        let (commands, callers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|job| (job.command, job.caller)).unzip();
        let ran = AssertUnwindSafe(run(&db, commands, deadline)).catch_unwind().await;
        drop(written);
        let Ok(answers) = ran else {
            // the panic has been printed; what it was about had a connection to itself, which is closed
            tracing::error!(commands = callers.len(), "a batch of writes panicked");
            for caller in callers {
                let _ = caller.send(Err(broken()));
            }
            continue;
        };
        for (caller, answer) in callers.into_iter().zip(answers) {
            // a caller that has gone away no longer wants to know
            let _ = caller.send(answer);
        }
    }
}

async fn run<G: Gathered>(
    db: &Database,
    commands: Vec<G>,
    deadline: Deadline,
) -> Vec<Result<G::Answer, StoreError>> {
    let batch = Batch(commands);
    let error = match run_to_certainty(db, &batch, deadline).await {
        Ok(answers) => return answers.into_iter().map(Ok).collect(),
        Err(trouble @ Trouble::Sql(_))
            if batch.0.len() > 1 && !trouble.is_passing() && !trouble.is_late() =>
        {
            return run_each_alone(db, batch.0, deadline).await;
        }
        // where a statement commits by itself, it has
        Err(trouble @ Trouble::Corrupt(_)) if batch.0.len() > 1 && G::RUN != Runs::Alone => {
            tracing::error!(?trouble, "a batch of writes met a corrupt row");
            return run_each_alone(db, batch.0, deadline).await;
        }
        Err(trouble) => StoreError::from(trouble),
    };
    tracing::error!(%error, commands = batch.0.len(), "a batch of writes was lost");
    batch.0.iter().map(|_| Err(error.clone())).collect()
}

/// Runs a batch. If the connection breaks while it commits, looks what was written and runs the rest again.
async fn run_to_certainty<G: Gathered>(
    db: &Database,
    batch: &Batch<G>,
    deadline: Deadline,
) -> Result<Vec<G::Answer>, Trouble> {
    let why = match db.transact_until(batch, deadline).await {
        Err(Trouble::InDoubt(why)) => why,
        done => return done,
    };
    let mut answers: Vec<Option<G::Answer>> = batch.0.iter().map(|_| None).collect();
    for _ in 0..LOOKS {
        let left: Vec<usize> = (0..answers.len()).filter(|at| answers[*at].is_none()).collect();
        let commands = || column(&left, |at| batch.0[*at].clone());
        let found = match db.transact_until(&LookAgain(commands()), deadline).await {
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
                Err(Trouble::InDoubt(_)) => continue,
                Err(trouble) => return Err(trouble),
            }
        }
        return Ok(answers.into_iter().flatten().collect());
    }
    Err(Trouble::InDoubt(why))
}

async fn run_each_alone<G: Gathered>(
    db: &Database,
    commands: Vec<G>,
    deadline: Deadline,
) -> Vec<Result<G::Answer, StoreError>> {
    let mut answers = Vec::with_capacity(commands.len());
    for command in commands {
        let answer = match run_to_certainty(db, &Batch(vec![command]), deadline).await {
            Ok(mut alone) => alone.pop().ok_or_else(stopped),
            Err(trouble) => Err(StoreError::from(trouble)),
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

/// The one that ran the command has panicked.
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
    use crate::{Options, PostgresStore};

    /// Writes, and may panic before it commits.
    #[derive(Clone)]
    struct Count {
        panics: bool,
    }

    #[async_trait]
    impl Gathered for Count {
        type Answer = ();

        fn key(&self) -> [u8; 16] {
            [0; 16]
        }

        async fn run_all(all: &[Self], db: &Session) -> Result<Vec<()>, Trouble> {
            db.execute("UPDATE installation SET pulse = pulse + 1", &[]).await?;
            assert!(!all.iter().any(|count| count.panics), "a bug");
            Ok(vec![(); all.len()])
        }
    }

    #[tokio::test]
    async fn a_batch_that_panics_fails_its_callers_and_the_workers_go_on() {
        let database = TestDatabase::new();
        // the connection of the panic is not used again: it would still hold the row
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
