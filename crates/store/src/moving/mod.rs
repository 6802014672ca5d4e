//! Rows in a neutral form and in the order of their keys: for `countersign migrate-data`, which moves all of them to another database,
//! and for `countersign keys`, which seals some of their cells anew.
//!
//! [`TABLES`] is the only list of tables. Each backend makes its statements from it, and a test compares it with the schemas.

mod log_tables;
mod table;
mod tables;

use async_trait::async_trait;
use countersign_domain::time::Instant;

use crate::error::StoreResult;
use crate::seam::SealingKeys;

pub use table::{Column, Kind, Table};
pub use tables::TABLES;

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// NULL.
    Nothing,
    /// A number, an instant, or a flag.
    Number(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The values of a row, one for each of [`Table::columns`].
pub type Row = Vec<Value>;

/// A cell with bytes that are to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellChange {
    /// The key of the row.
    pub key: Vec<Value>,
    /// The bytes that the cell has now.
    pub was: Vec<u8>,
    /// The bytes that it is to have.
    pub new: Vec<u8>,
}

/// A database that rows can be moved from and to.
#[async_trait]
pub trait Moving: Send + Sync {
    /// Reads up to `most` rows of a table, in the order of the key, behind the key `after`.
    async fn rows(
        &self,
        table: &'static Table,
        after: Option<&[Value]>,
        most: usize,
    ) -> StoreResult<Vec<Row>>;
    /// Counts the rows of a table.
    async fn count(&self, table: &'static Table) -> StoreResult<u64>;
    /// Reads the greatest key of a table, if it has rows.
    async fn last_key(&self, table: &'static Table) -> StoreResult<Option<Vec<Value>>>;
    /// Stores rows that do not exist: all, or none.
    async fn put_rows(&self, table: &'static Table, rows: Vec<Row>) -> StoreResult<()>;
    /// Replaces the bytes of cells of one column that have not changed meanwhile. Returns how many were replaced.
    async fn replace_cells(
        &self,
        table: &'static Table,
        column: &'static str,
        changes: Vec<CellChange>,
    ) -> StoreResult<usize>;
    /// Prepares the database for rows created between `from` and `now`.
    async fn expect_rows(&self, from: Instant, now: Instant) -> StoreResult<()>;
    /// Reads the check value of the master key, if one is stored.
    async fn kept_key_check(&self) -> StoreResult<Option<[u8; 32]>>;
    /// Replaces the check value, only if the stored one is `was`. Returns whether it did.
    async fn replace_key_check(&self, was: Option<[u8; 32]>, value: [u8; 32]) -> StoreResult<bool>;
}

/// A database whose stored secrets can be sealed anew.
pub trait Resealing: Moving + SealingKeys {}

impl<T: Moving + SealingKeys> Resealing for T {}
