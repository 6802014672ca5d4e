//! What can go wrong while a command runs.

use countersign_store::StoreError;
use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

use crate::clock::CLOCKS_DIFFER;

/// Why a transaction or a read came to nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The database's own words, or the connection's.
    Sql(tokio_postgres::Error),
    /// No connection could be had.
    NoConnection(String),
    /// No answer came in time, and nothing was committed.
    Late,
    /// The commit failed: what was written may be there or not.
    InDoubt(String),
    /// The commit was not answered, and the database says that nothing was written.
    Undone(String),
    /// The time that a command was handed is not the database's, and nothing was written.
    ClocksDiffer,
    /// Which table and column.
    Corrupt(String),
}

impl Trouble {
    /// Whether nothing was written and another try may go well: a neighbour was preferred, or the connection broke
    /// before the commit.
    pub(crate) fn is_passing(&self) -> bool {
        if self.is_of_a_broken_connection() {
            return true;
        }
        let Self::Sql(error) = self else {
            return false;
        };
        error.code().is_some_and(|code| {
            *code == SqlState::T_R_SERIALIZATION_FAILURE
                    || *code == SqlState::T_R_DEADLOCK_DETECTED
                    // a migration of another node changed what was prepared
                    || *code == SqlState::FEATURE_NOT_SUPPORTED
                    // no part took a row, and one that does was attached while it was on its way to the rest
                    || *code == SqlState::CHECK_VIOLATION
                        && is_of(error, |table| table.ends_with("_rest"))
                    // another notification of the same challenge took the ordinal
                    || *code == SqlState::UNIQUE_VIOLATION
                        && is_of(error, |table| table.starts_with("notifications"))
        })
    }

    /// Whether the connection was ended before the commit.
    fn is_of_a_broken_connection(&self) -> bool {
        let error = match self {
            Self::Undone(_) => return true,
            Self::Sql(error) => error,
            _ => return false,
        };
        match error.code() {
            Some(code) => *code == SqlState::ADMIN_SHUTDOWN || *code == SqlState::CRASH_SHUTDOWN,
            None => error.is_closed() || is_of_the_connection(error),
        }
    }

    /// Whether the time was over: for a lock, for a statement, or for the whole.
    pub(crate) fn is_late(&self) -> bool {
        let late = [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED];
        match self {
            Self::Late => true,
            Self::Sql(error) => error.code().is_some_and(|code| late.contains(code)),
            _ => false,
        }
    }

    /// Whether a change of a table came to nothing because others use it, or were faster.
    pub(crate) fn is_in_the_way(&self) -> bool {
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

fn is_of(error: &tokio_postgres::Error, table: impl FnOnce(&str) -> bool) -> bool {
    error.as_db_error().and_then(|said| said.table()).is_some_and(table)
}

/// An error without a code that is not of a value's form either.
fn is_of_the_connection(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        let said = error.as_db_error();
        if said.is_some_and(|said| said.message().contains(CLOCKS_DIFFER)) {
            return Self::ClocksDiffer;
        }
        Self::Sql(error)
    }
}

impl From<PoolError> for Trouble {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error))
                if error.is_closed() || error.code() == Some(&SqlState::ADMIN_SHUTDOWN) =>
            {
                Self::Sql(error)
            }
            PoolError::Backend(error) => Self::NoConnection(words(&error)),
            other => Self::NoConnection(other.to_string()),
        }
    }
}

/// What the database said, without the values that it may have quoted in the detail.
pub(crate) fn words(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => format!("{} ({})", said.message(), said.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Corrupt(place) => Self::Corrupt(place),
            Trouble::ClocksDiffer => Self::Unavailable(CLOCKS_DIFFER.to_owned()),
            Trouble::Late => Self::Unavailable("it did not answer in time".to_owned()),
            Trouble::NoConnection(why) | Trouble::InDoubt(why) | Trouble::Undone(why) => {
                Self::Unavailable(why)
            }
            Trouble::Sql(error) => Self::Unavailable(words(&error)),
        }
    }
}

/// A command that the database gave up for the sake of others is run so many times in all.
const TRIES: usize = 8;
/// All connections may have broken at once, and each is found out by a try: many more than a pool has.
const BROKEN: usize = 2_000;

/// How often something was tried.
#[derive(Default)]
pub(crate) struct Tries {
    given_up: usize,
    broken: usize,
}

impl Tries {
    /// Whether to try once more after this.
    pub(crate) fn once_more(&mut self, trouble: &Trouble) -> bool {
        if trouble.is_of_a_broken_connection() {
            self.broken += 1;
            self.broken < BROKEN
        } else {
            self.given_up += 1;
            trouble.is_passing() && self.given_up < TRIES
        }
    }
}
