//! The results that insertions and replacements of all nouns share.

/// The result of inserting a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The record is stored.
    Done,
    /// A record with the same key exists.
    NotUnique,
    /// The record's parent does not exist.
    NoParent,
    /// The record's parent has as many such records as it may have.
    TooMany,
}

/// The result of replacing a record, which happens only if nobody changed it since it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// The record is replaced.
    Done,
    /// Another writer changed the record: read it again and decide again.
    Stale,
    /// The record does not exist.
    NotFound,
}
