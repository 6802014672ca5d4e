//! Batches of commands that share a transaction.
//!
//! A command decides before it writes, so a command that returns a refusal has written nothing. A command that fails (because of a
//! corrupt row or a bug) must not fail the others of its batch and must leave nothing behind: the batch is rolled back and run
//! once more, with a savepoint around each command. That is rare, so the common path pays for no savepoints.

use std::time::{Duration, Instant};

use countersign_store::error::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::execute;

/// A commit or a checkpoint of the writer that takes this long has waited for the disk.
const STALL: Duration = Duration::from_millis(20);

/// A command in the queue, of any type.
pub(crate) trait Job: Send {
    /// Runs the command and keeps its result.
    fn run(&mut self, db: &Connection) -> Result<(), DatabaseError>;
    /// Replaces the result by a failure, which is returned once the others are committed.
    fn set_failure(&mut self, error: StoreError);
    /// Sends the result to the caller: the write is durable.
    fn send(self: Box<Self>);
    /// The failure that will be sent.
    fn failure(&self) -> Option<&StoreError>;
    /// Sends a failure of the whole batch to the caller: nothing was written, or the outcome is unknown.
    fn fail(self: Box<Self>, error: StoreError);
}

/// A command, its result and its caller.
pub(crate) struct Slot<C: Command> {
    command: C,
    result: Option<Result<C::Output, StoreError>>,
    caller: oneshot::Sender<Result<C::Output, StoreError>>,
}

impl<C: Command> Slot<C> {
    /// Makes a job of a command, and the receiver of its result.
    #[expect(
        clippy::type_complexity,
        reason = "the type says it: a job, and where its result comes"
    )]
    pub(crate) fn job(
        command: C,
    ) -> (Box<dyn Job>, oneshot::Receiver<Result<C::Output, StoreError>>) {
        let (caller, result) = oneshot::channel();
        (Box::new(Self { command, result: None, caller }), result)
    }
}

impl<C: Command> Job for Slot<C> {
    fn run(&mut self, db: &Connection) -> Result<(), DatabaseError> {
        self.result = Some(Ok(self.command.run(db)?));
        Ok(())
    }

    fn set_failure(&mut self, error: StoreError) {
        self.result = Some(Err(error));
    }

    fn failure(&self) -> Option<&StoreError> {
        self.result.as_ref()?.as_ref().err()
    }

    fn send(self: Box<Self>) {
        if let Some(result) = self.result {
            // The caller may be gone.
            let _ = self.caller.send(result);
        }
    }

    fn fail(self: Box<Self>, error: StoreError) {
        let _ = self.caller.send(Err(error));
    }
}

/// The failure of a whole batch.
pub(crate) struct BatchError {
    pub(crate) error: StoreError,
    pub(crate) connection_is_usable: bool,
}

impl BatchError {
    /// A failure before the commit: the writes are rolled back, now or when the connection is closed.
    fn running(db: &Connection, error: impl Into<DatabaseError>) -> Self {
        Self { error: error.into().into(), connection_is_usable: db.is_autocommit() }
    }

    /// A failure of the commit: the outcome is unknown.
    fn committing(error: &rusqlite::Error) -> Self {
        Self {
            error: StoreError::Unavailable(format!("the commit failed: {error}")),
            connection_is_usable: false,
        }
    }
}

/// Runs a batch in a transaction.
pub(crate) fn transact(db: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), BatchError> {
    let simple = |sql| execute(db, sql, ()).map_err(|error| BatchError::running(db, error));
    simple("BEGIN IMMEDIATE")?;
    for job in &mut *batch {
        match job.run(db) {
            Ok(()) => {}
            Err(error) if db.is_autocommit() => return Err(BatchError::running(db, error)),
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
        Err(error) => Err(BatchError::committing(&error)),
    }
}

/// Records how long commands have waited for the disk, if it was long.
pub(crate) fn measure_stall(took: Duration) {
    if took >= STALL {
        metrics::histogram!("countersign_store_stall_seconds").record(took);
    }
}

/// Runs a batch again in which a command failed, so that only that command fails.
fn run_each_alone(db: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), BatchError> {
    let simple = |sql| execute(db, sql, ()).map_err(|error| BatchError::running(db, error));
    for job in batch {
        simple("SAVEPOINT command")?;
        if let Err(error) = job.run(db) {
            if db.is_autocommit() {
                return Err(BatchError::running(db, error));
            }
            simple("ROLLBACK TO command")?;
            let error = StoreError::from(error);
            tracing::error!(%error, "a write failed");
            job.set_failure(error);
        }
        simple("RELEASE command")?;
    }
    Ok(())
}
