//! Runs a command until its outcome is known.
//!
//! A connection that breaks after `COMMIT` was sent leaves open whether the transaction is committed. The database keeps the status of
//! every recent transaction by its id. So a command asks for that id when its transaction begins, and for the status of that id, over
//! another connection, when the commit was not acknowledged.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant as Deadline, sleep};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::{Command, Commit, OnUnknownCommit, Planning, UnknownCommit};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::params::params;
use crate::retries::Retries;
use crate::session::Session;
use crate::statement::one;
use crate::transaction_id::{TransactionId, run_of_the_server};

/// Writes a record to the write-ahead log, so that its commit waits for the same standbys as the unknown commit.
const STATUS: &str = concat!(
    "SELECT CASE WHEN $2 = ",
    run_of_the_server!(),
    " THEN pg_xact_status($1::xid8) END FROM pg_logical_emit_message(true, 'countersign', '')"
);

/// The pauses between two queries while the transaction is in progress.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The status of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransactionStatus {
    /// All of it is written.
    Committed,
    /// Nothing of it is written.
    RolledBack,
    /// The database does not know: it has crashed since, or another server has replaced it.
    Unknown,
}

struct ReadStatus(TransactionId);

#[async_trait]
impl Command for ReadStatus {
    /// `None` while the transaction is in progress.
    type Output = Option<TransactionStatus>;
    const PLANNING: Planning = Planning::Cached;
    const ON_UNKNOWN_COMMIT: OnUnknownCommit = OnUnknownCommit::RunAgain;

    async fn run(&self, db: &Session) -> Result<Self::Output, DatabaseError> {
        let TransactionId { id, run } = &self.0;
        let read = |row: &Row| cells_of(row, "pg_xact_status").take::<Option<String>>();
        let status = one(db, STATUS, params![id.as_str(), run.as_str()], read).await?;
        Ok(match status.flatten().as_deref() {
            Some("in progress") => None,
            Some("committed") => Some(TransactionStatus::Committed),
            Some("aborted") => Some(TransactionStatus::RolledBack),
            _ => Some(TransactionStatus::Unknown),
        })
    }
}

/// Asks for the status of a transaction until it is final, or the deadline has passed.
async fn status(
    db: &Database,
    transaction: &TransactionId,
    deadline: Deadline,
) -> TransactionStatus {
    let query = ReadStatus(transaction.clone());
    let mut pause = FIRST_PAUSE;
    while Deadline::now() < deadline {
        // A query that failed is repeated.
        if let Ok(Commit::Acknowledged(Some(status))) = db.transact_once(&query, deadline).await {
            return status;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    TransactionStatus::Unknown
}

impl Database {
    /// Runs a command in a transaction, and again if the database cancelled it in favour of others.
    pub(crate) async fn transact<C: Command>(
        &self,
        command: &C,
    ) -> Result<C::Output, DatabaseError> {
        self.transact_until(command, self.time_limits.deadline(C::TIME_LIMIT)).await
    }

    /// Runs a command as `transact` does, with another deadline.
    pub(crate) async fn transact_until<C: Command>(
        &self,
        command: &C,
        deadline: Deadline,
    ) -> Result<C::Output, DatabaseError> {
        let mut tries = Retries::default();
        loop {
            match self.try_transact(command, deadline).await {
                Err(error) if Deadline::now() < deadline && tries.once_more(&error) => {}
                Err(DatabaseError::ClocksDiffer) => {
                    self.comparison.disagreed();
                    return Err(DatabaseError::ClocksDiffer);
                }
                done => return done,
            }
        }
    }

    async fn try_transact<C: Command>(
        &self,
        command: &C,
        deadline: Deadline,
    ) -> Result<C::Output, DatabaseError> {
        let UnknownCommit { why, output, transaction } =
            match self.transact_once(command, deadline).await? {
                Commit::Acknowledged(output) => return Ok(output),
                Commit::Unknown(unknown) => unknown,
            };
        let status = match &transaction {
            Some(transaction) => status(self, transaction, deadline).await,
            None if C::ON_UNKNOWN_COMMIT == OnUnknownCommit::RunAgain => {
                TransactionStatus::RolledBack
            }
            None => TransactionStatus::Unknown,
        };
        match (status, output) {
            (TransactionStatus::Committed, Some(output)) => Ok(output),
            (TransactionStatus::Committed, None) => {
                let db = self.session().await?;
                command.read_output(&db).await?.ok_or(DatabaseError::CommitUnknown(why))
            }
            (TransactionStatus::RolledBack, _) => Err(DatabaseError::RolledBack(why)),
            (TransactionStatus::Unknown, _) => Err(DatabaseError::CommitUnknown(why)),
        }
    }
}
