//! Commands, and the transaction that each runs in.

use std::borrow::Cow;

use async_trait::async_trait;
use countersign_domain::time::Instant;
use tokio::time::Instant as Deadline;

use crate::clock::{self, Tolerance};
use crate::database::{BEGIN_POOLED, Database};
use crate::error::DatabaseError;
use crate::session::Session;
use crate::time_limits::TimeLimit;
use crate::transaction_id::TransactionId;

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const BEGIN_PLANNING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL plan_cache_mode TO auto; \
                              SET LOCAL enable_seqscan TO on";

/// How the statements of a command are planned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planning {
    /// In a transaction, for the values of their parameters.
    PerCall,
    /// In a transaction, once for all values.
    Cached,
    /// Once for all values, and there is only one statement, given to [`Session::commit_with`], which is a transaction by itself.
    SingleStatement,
}

/// The handling of a commit that was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnUnknownCommit {
    /// The database is asked for the status of the transaction. The output of the command is known.
    AskDatabase,
    /// The database is asked for the status of the transaction of a command whose last statements travel with the commit: nothing is
    /// sent before the id of the transaction is known, and the output is read again.
    AskAndReadOutput,
    /// The command writes nothing, and is run again.
    RunAgain,
    /// The caller gets the error, and finds out by itself.
    ReturnError,
}

impl OnUnknownCommit {
    const fn needs_id(self) -> bool {
        matches!(self, Self::AskDatabase | Self::AskAndReadOutput)
    }
}

/// A value that says what to write.
#[async_trait]
pub(crate) trait Command: Send + Sync + 'static {
    /// Its result.
    type Output: Send + 'static;
    /// How its statements are planned.
    const PLANNING: Planning = Planning::PerCall;
    /// Its time limit.
    const TIME_LIMIT: TimeLimit = TimeLimit::Request;
    /// The handling of its commit if that was not acknowledged.
    const ON_UNKNOWN_COMMIT: OnUnknownCommit = OnUnknownCommit::AskDatabase;

    /// The first and the last of the times that it decides by. A command of a
    /// [single statement](Planning::SingleStatement) compares them with the database's clock itself.
    fn decides_at(&self) -> Option<(Instant, Instant)> {
        None
    }

    /// Writes within a transaction that was begun. May run again in another transaction, after the first was rolled back.
    async fn run(&self, db: &Session) -> Result<Self::Output, DatabaseError>;

    /// Reads the output of this command, which is committed, after the output was lost with the connection
    /// ([`OnUnknownCommit::AskAndReadOutput`]).
    async fn read_output(&self, _db: &Session) -> Result<Option<Self::Output>, DatabaseError> {
        Ok(None)
    }
}

/// The end of a transaction.
pub(crate) enum Commit<T> {
    /// It is committed.
    Acknowledged(T),
    /// Its commit was not acknowledged.
    Unknown(UnknownCommit<T>),
}

/// A transaction whose commit was not acknowledged.
pub(crate) struct UnknownCommit<T> {
    /// How the connection ended, in words.
    pub(crate) why: String,
    /// The command's output if the transaction is committed; `None` if the output was lost too.
    pub(crate) output: Option<T>,
    /// The id of the transaction; `None` if the command asked for none, or if the response was lost too.
    pub(crate) transaction: Option<TransactionId>,
}

impl Database {
    /// Planning a command in one transaction.
    pub(crate) async fn transact_once<C: Command>(
        &self,
        command: &C,
        deadline: Deadline,
    ) -> Result<Commit<C::Output>, DatabaseError> {
        let session = self.session_until(deadline).await?;
        let begin = self.beginning(command, session.tolerance);
        let ran = if C::ON_UNKNOWN_COMMIT == OnUnknownCommit::AskAndReadOutput {
            match session.begin(begin.as_deref()).await {
                Ok(()) => command.run(&session).await,
                Err(error) => Err(error),
            }
        } else {
            // Polled in this order, so that the first statement travels right behind the beginning.
            let (begun, ran) =
                tokio::join!(biased; session.begin(begin.as_deref()), command.run(&session));
            match ran {
                Err(DatabaseError::CommitUnknown(_)) => ran,
                ran => begun.and(ran),
            }
        };
        let (why, output) = match ran {
            Ok(output) => match session.commit().await {
                Ok(()) => return Ok(Commit::Acknowledged(output)),
                Err(DatabaseError::CommitUnknown(why)) => (why, Some(output)),
                Err(error) => return Err(error),
            },
            Err(DatabaseError::CommitUnknown(why)) => (why, None),
            Err(error) => {
                session.roll_back().await;
                return Err(error);
            }
        };
        Ok(Commit::Unknown(UnknownCommit { why, output, transaction: session.transaction_id() }))
    }

    /// The statements that begin the transaction of a command: the time limits that differ from those of the connection, and the
    /// condition that the clocks agree.
    fn beginning<C: Command>(
        &self,
        command: &C,
        tolerance: Option<Tolerance>,
    ) -> Option<Cow<'static, str>> {
        let begin = match (self.transaction_pooling, C::PLANNING) {
            (true, _) => BEGIN_POOLED,
            (false, Planning::PerCall) => BEGIN_PLANNING,
            (false, Planning::Cached) => BEGIN,
            (false, Planning::SingleStatement) => return None,
        };
        let mut begin = Cow::Borrowed(begin);
        if self.transaction_pooling || C::TIME_LIMIT != TimeLimit::Request {
            begin.to_mut().push_str(&self.time_limits.of_transaction(C::TIME_LIMIT));
        }
        if let Some((tolerance, times)) = tolerance.zip(command.decides_at()) {
            begin.to_mut().push_str(&clock::guard(tolerance.bounds(times)));
        }
        if C::ON_UNKNOWN_COMMIT.needs_id() {
            begin.to_mut().push_str(TransactionId::QUERY);
        }
        Some(begin)
    }
}
