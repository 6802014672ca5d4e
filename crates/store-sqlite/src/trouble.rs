//! What can go wrong while a statement runs.

use countersign_store::StoreError;
use rusqlite::ErrorCode;

/// A statement that failed, or a row that makes no sense.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// SQLite's own words.
    Sql(rusqlite::Error),
    /// Which table and column.
    Corrupt(String),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Corrupt(place) => Self::Corrupt(place),
            Trouble::Sql(error)
                if matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                ) =>
            {
                Self::Corrupt(format!("the database file: {error}"))
            }
            Trouble::Sql(error) => Self::Unavailable(error.to_string()),
        }
    }
}
