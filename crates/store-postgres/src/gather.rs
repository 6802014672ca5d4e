//! Gathering neighbours: commands of the same kind share a transaction of a few statements over arrays.
//!
//! Commands wait in a bounded queue. A worker takes what is there, up to a bound and at most one for each key (such as the
//! challenge), runs it all and answers everybody after the commit. There is no timer: while one batch is written, the next
//! gathers by itself. It begins beside that one only when it has become as large: most of what a small batch costs the
//! database is the same for a large one.
//!
//! A batch that fails for a reason of its own is run once more, each command alone, so that none sinks its neighbours.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::time::Instant;
use countersign_store::StoreError;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::database::{Command, Database, Runs, Session};
use crate::trouble::Trouble;

/// While one batch is committed, the next is written. With more, batches get smaller.
const WORKERS: usize = 2;

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
}

struct Batch<G>(Vec<G>);

#[async_trait]
impl<G: Gathered> Command for Batch<G> {
    type Answer = Vec<G::Answer>;
    const RUNS: Runs = G::RUN;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        let times = || self.0.iter().filter_map(G::decides_at);
        times().min().zip(times().max())
    }

    async fn run(&self, db: &Session) -> Result<Vec<G::Answer>, Trouble> {
        G::run_all(&self.0, db).await
    }
}

struct Job<G: Gathered> {
    command: G,
    caller: oneshot::Sender<Result<G::Answer, StoreError>>,
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
        for job in held {
            sort(job, &mut batch, &mut self.held);
        }
        if batch.is_empty() {
            let first = self.jobs.recv().await?;
            sort(first, &mut batch, &mut self.held);
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
        Self { queue: sender }
    }

    /// Queues a command and waits for its answer.
    pub(crate) async fn run(&self, command: G) -> Result<G::Answer, StoreError> {
        let (caller, answer) = oneshot::channel();
        match self.queue.try_send(Job { command, caller }) {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(stopped())),
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
        let (commands, callers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|job| (job.command, job.caller)).unzip();
        let answers = run(&db, commands).await;
        drop(written);
        for (caller, answer) in callers.into_iter().zip(answers) {
            // a caller that has gone away no longer wants to know
            let _ = caller.send(answer);
        }
    }
}

async fn run<G: Gathered>(db: &Database, commands: Vec<G>) -> Vec<Result<G::Answer, StoreError>> {
    let batch = Batch(commands);
    let error = match db.transact(&batch).await {
        Ok(answers) => return answers.into_iter().map(Ok).collect(),
        Err(trouble @ Trouble::Sql(_)) if batch.0.len() > 1 && !trouble.is_passing() => {
            return run_each_alone(db, batch.0).await;
        }
        // where a statement commits by itself, it has
        Err(trouble @ Trouble::Corrupt(_)) if batch.0.len() > 1 && G::RUN != Runs::Alone => {
            tracing::error!(?trouble, "a batch of writes met a corrupt row");
            return run_each_alone(db, batch.0).await;
        }
        Err(trouble) => StoreError::from(trouble),
    };
    tracing::error!(%error, commands = batch.0.len(), "a batch of writes was lost");
    batch.0.iter().map(|_| Err(error.clone())).collect()
}

async fn run_each_alone<G: Gathered>(
    db: &Database,
    commands: Vec<G>,
) -> Vec<Result<G::Answer, StoreError>> {
    let mut answers = Vec::with_capacity(commands.len());
    for command in commands {
        let answer = match db.transact(&Batch(vec![command])).await {
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

pub(crate) fn stopped() -> StoreError {
    StoreError::Unavailable("the store has stopped".to_owned())
}
