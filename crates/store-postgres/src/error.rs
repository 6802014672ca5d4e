//! The failures of commands and reads.

use countersign_store::error::StoreError;
use countersign_store_sql::cells::CorruptCell;
use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

/// The text of the failure when the clocks of this server and of the database differ.
pub(crate) const CLOCKS_DIFFER: &str = "the clocks of this server and of the database differ";

/// The reason why a transaction or a read failed.
#[derive(Debug)]
pub(crate) enum DatabaseError {
    /// An error of the database or of the connection.
    Sql(tokio_postgres::Error),
    /// No connection is available.
    NoConnection(String),
    /// No response came in time, and nothing was committed.
    Timeout,
    /// The commit failed, and its outcome is unknown.
    CommitUnknown(String),
    /// The commit was not acknowledged, and the database reports that it was rolled back.
    RolledBack(String),
    /// The time that a command was given differs from the database's clock; nothing was written.
    ClocksDiffer,
    /// The table and column of a cell that cannot be read.
    Corrupt(String),
}

impl DatabaseError {
    /// Whether nothing was written and another try may succeed: the database preferred another transaction, or the connection broke
    /// before the commit.
    pub(crate) fn is_transient(&self) -> bool {
        if self.is_broken_connection() {
            return true;
        }
        let Self::Sql(error) = self else {
            return false;
        };
        error.code().is_some_and(|code| {
            *code == SqlState::T_R_SERIALIZATION_FAILURE
                    || *code == SqlState::T_R_DEADLOCK_DETECTED
                    // A migration of another node changed a prepared statement.
                    || *code == SqlState::FEATURE_NOT_SUPPORTED
                    // No partition took a row, and one that does was attached while the row was on its way to the rest.
                    || *code == SqlState::CHECK_VIOLATION
                        && is_in_table(error, |table| table.ends_with("_rest"))
                    // Another notification of the challenge took the ordinal.
                    || *code == SqlState::UNIQUE_VIOLATION
                        && is_in_table(error, |table| table.starts_with("notifications"))
        })
    }

    /// Whether the connection broke before the commit.
    pub(crate) fn is_broken_connection(&self) -> bool {
        let error = match self {
            Self::RolledBack(_) => return true,
            Self::Sql(error) => error,
            _ => return false,
        };
        match error.code() {
            Some(code) => *code == SqlState::ADMIN_SHUTDOWN || *code == SqlState::CRASH_SHUTDOWN,
            None => error.is_closed() || is_io_error(error),
        }
    }

    /// Whether a time limit was exceeded: that of a lock, of a statement, or of the whole command.
    pub(crate) fn is_timeout(&self) -> bool {
        let late = [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED];
        match self {
            Self::Timeout => true,
            Self::Sql(error) => error.code().is_some_and(|code| late.contains(code)),
            _ => false,
        }
    }

    /// Whether a change of a table failed because others use the table, or made the change first.
    pub(crate) fn is_table_conflict(&self) -> bool {
        let Self::Sql(error) = self else {
            return false;
        };
        error.code().is_some_and(|code| {
            *code == SqlState::LOCK_NOT_AVAILABLE
                || *code == SqlState::CHECK_VIOLATION
                || *code == SqlState::INVALID_OBJECT_DEFINITION
                || *code == SqlState::WRONG_OBJECT_TYPE
        })
    }
}

fn is_in_table(error: &tokio_postgres::Error, table: impl FnOnce(&str) -> bool) -> bool {
    error.as_db_error().and_then(|said| said.table()).is_some_and(table)
}

/// Whether an error without a code is one of the connection, and not of the form of a value.
fn is_io_error(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        let said = error.as_db_error();
        if said.is_some_and(|said| said.message().contains(CLOCKS_DIFFER)) {
            return Self::ClocksDiffer;
        }
        Self::Sql(error)
    }
}

impl From<CorruptCell> for DatabaseError {
    fn from(CorruptCell(place): CorruptCell) -> Self {
        Self::Corrupt(place)
    }
}

impl From<PoolError> for DatabaseError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error))
                if error.is_closed() || error.code() == Some(&SqlState::ADMIN_SHUTDOWN) =>
            {
                Self::Sql(error)
            }
            PoolError::Backend(error) => Self::NoConnection(message_of(&error)),
            other => Self::NoConnection(other.to_string()),
        }
    }
}

/// The message of the database, without the details, which may quote values.
pub(crate) fn message_of(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => format!("{} ({})", said.message(), said.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

impl From<DatabaseError> for StoreError {
    fn from(failure: DatabaseError) -> Self {
        match failure {
            DatabaseError::Corrupt(place) => Self::Corrupt(place),
            DatabaseError::ClocksDiffer => Self::Unavailable(CLOCKS_DIFFER.to_owned()),
            DatabaseError::Timeout => Self::Unavailable("it did not respond in time".to_owned()),
            DatabaseError::NoConnection(why)
            | DatabaseError::CommitUnknown(why)
            | DatabaseError::RolledBack(why) => Self::Unavailable(why),
            DatabaseError::Sql(error) => Self::Unavailable(message_of(&error)),
        }
    }
}
