//! The failures of a database. No SQL error crosses the seam.

/// The reason why a command or a read failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, its disk is full, or it is shedding load. Nothing was written, or the outcome
    /// is unknown; the caller may try again.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A stored row cannot be read.
    #[error("a stored row is corrupt: {0}")]
    Corrupt(String),
}

/// The result of every method of the seam.
pub type StoreResult<T> = Result<T, StoreError>;
