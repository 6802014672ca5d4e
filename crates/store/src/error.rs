//! What can go wrong with a database. No SQL error crosses the seam.

/// Why a command or a read came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, its disk is full, or it is shedding load. Nothing was written, or the outcome
    /// is unknown; the caller may try again.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A stored row cannot be read as what it should be.
    #[error("a stored row is corrupt: {0}")]
    Corrupt(String),
}
