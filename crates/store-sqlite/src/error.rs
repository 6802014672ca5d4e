//! The failures of statements.

use countersign_store::error::StoreError;
use countersign_store_sql::cells::CorruptCell;
use rusqlite::ErrorCode;

/// The log line of the page names it.
pub(crate) const WRONG_PAGE: &str =
    "the database file: a page does not match its checksum; the log names the file and the page";

/// The reason why a command or a read failed.
#[derive(Debug)]
pub(crate) enum DatabaseError {
    /// An error of SQLite.
    Sql(rusqlite::Error),
    /// The table and column of a cell that cannot be read.
    Corrupt(String),
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<CorruptCell> for DatabaseError {
    fn from(CorruptCell(place): CorruptCell) -> Self {
        Self::Corrupt(place)
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Corrupt(place) => Self::Corrupt(place),
            DatabaseError::Sql(error) if countersign_sqlite_file::is_wrong_page(&error) => {
                Self::Corrupt(WRONG_PAGE.to_owned())
            }
            DatabaseError::Sql(error)
                if matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                ) =>
            {
                Self::Corrupt(format!("the database file: {error}"))
            }
            DatabaseError::Sql(error) => Self::Unavailable(error.to_string()),
        }
    }
}
