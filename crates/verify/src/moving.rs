//! Moves everything in one database to another.
//!
//! Rows are copied table by table in the order of their keys, so that an interrupted run continues after the greatest key that
//! was copied. At the end all rows of both databases are read again and their checksums compared. Until they agree, the target
//! holds a check value that no master key has, so that no server starts on it.

use aws_lc_rs::digest::{Context, SHA256};
use countersign_domain::time::Instant;
use countersign_store::StoreError;
use countersign_store::moving::{Moving, Row, TABLES, Table, Value};

use crate::keys::Keys;

/// Rows per read and per write.
const PAGE: usize = 500;

/// Why the move failed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// A database failed. A second run continues where this one ended.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No server has ever used the source.
    #[error("there is nothing to move: no server has ever used the source")]
    NoSource,
    /// The source was made under another master key.
    #[error("this is not the master key that the source was made under")]
    WrongKey,
    /// A table of the target holds rows that were not copied from the source.
    #[error(
        "the target is in use: there are rows in its table {0}, and they did not come from here"
    )]
    NotEmpty(&'static str),
    /// The target was made under another master key.
    #[error("the target was made under another master key")]
    OtherTarget,
    /// A table differs between the databases after the copy.
    #[error(
        "the target differs from the source in {0}: either was used meanwhile, or the target before; empty the target and begin again"
    )]
    Differs(&'static str),
}

/// A table that was copied completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedTable {
    /// The name of the table.
    pub table: &'static str,
    /// The number of its rows.
    pub rows: u64,
    /// SHA-256 over all of its rows in the order of their keys.
    pub checksum: [u8; 32],
}

/// A report while the move is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A table, how many of its rows were copied, and how many it has.
    Copied(&'static str, u64, u64),
    /// A table, how many of its rows were compared, and how many it has.
    Compared(&'static str, u64, u64),
}

/// Copies every table and compares both databases. Returns the tables. The target prepares no partitions for rows that are older
/// than `since`.
///
/// # Errors
/// See [`MoveError`].
pub async fn move_all(
    (from, to): (&dyn Moving, &dyn Moving),
    keys: &Keys,
    (since, now): (Instant, Instant),
    mut report: impl FnMut(Progress),
) -> Result<Vec<MovedTable>, MoveError> {
    let value = keys.check_value();
    match from.kept_key_check().await? {
        None => return Err(MoveError::NoSource),
        Some(kept) if kept != value => return Err(MoveError::WrongKey),
        Some(_) => {}
    }
    // No master key has this value.
    let unfinished = value.map(|byte| !byte);
    match to.kept_key_check().await? {
        Some(kept) if kept == unfinished => {}
        // An earlier run has finished; its result is compared again.
        Some(kept) if kept == value => return compare(from, to, &mut report).await,
        Some(_) => return Err(MoveError::OtherTarget),
        None => {
            for table in &TABLES {
                if to.last_key(table).await?.is_some() {
                    return Err(MoveError::NotEmpty(table.name));
                }
            }
            if !to.replace_key_check(None, unfinished).await? {
                return Err(MoveError::OtherTarget);
            }
        }
    }
    to.expect_rows(since, now).await?;
    for table in &TABLES {
        copy(from, to, table, &mut report).await?;
    }
    let moved = compare(from, to, &mut report).await?;
    if !to.replace_key_check(Some(unfinished), value).await? {
        return Err(MoveError::OtherTarget);
    }
    Ok(moved)
}

/// Copies the rows of a table that the target does not have yet.
async fn copy(
    from: &dyn Moving,
    to: &dyn Moving,
    table: &'static Table,
    report: &mut impl FnMut(Progress),
) -> Result<(), MoveError> {
    let all = from.count(table).await?;
    let mut arrived = to.count(table).await?;
    let mut after = to.last_key(table).await?;
    loop {
        let rows = from.rows(table, after.as_deref(), PAGE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last[..table.key.len()].to_vec());
        arrived += rows.len() as u64;
        to.put_rows(table, rows).await?;
        report(Progress::Copied(table.name, arrived, all));
    }
}

/// Compares all tables of both databases.
async fn compare(
    from: &dyn Moving,
    to: &dyn Moving,
    report: &mut impl FnMut(Progress),
) -> Result<Vec<MovedTable>, MoveError> {
    let mut moved = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        let here = sum(from, table, &mut |_| ()).await?;
        let mut report = |rows| report(Progress::Compared(table.name, rows, here.rows));
        if sum(to, table, &mut report).await? != here {
            return Err(MoveError::Differs(table.name));
        }
        moved.push(here);
    }
    Ok(moved)
}

async fn sum(
    side: &dyn Moving,
    table: &'static Table,
    report: &mut impl FnMut(u64),
) -> Result<MovedTable, MoveError> {
    let mut sum = Checksum::new();
    let mut after: Option<Vec<Value>> = None;
    loop {
        let rows = side.rows(table, after.as_deref(), PAGE).await?;
        let Some(last) = rows.last() else { return Ok(sum.finish(table.name)) };
        after = Some(last[..table.key.len()].to_vec());
        rows.iter().for_each(|row| sum.add(row));
        report(sum.rows);
    }
}

/// A running checksum over rows.
struct Checksum {
    rows: u64,
    digest: Context,
}

impl Checksum {
    fn new() -> Self {
        Self { rows: 0, digest: Context::new(&SHA256) }
    }

    /// Adds each value with its kind and length, so that no two different rows have the same input.
    fn add(&mut self, row: &Row) {
        self.rows += 1;
        for value in row {
            let number;
            let (kind, bytes) = match value {
                Value::Nothing => (0, &[][..]),
                Value::Number(value) => {
                    number = value.to_be_bytes();
                    (1, &number[..])
                }
                Value::Text(text) => (2, text.as_bytes()),
                Value::Bytes(bytes) => (3, bytes.as_slice()),
            };
            self.digest.update(&[kind]);
            self.digest.update(&(bytes.len() as u64).to_be_bytes());
            self.digest.update(bytes);
        }
    }

    fn finish(self, table: &'static str) -> MovedTable {
        let mut checksum = [0; 32];
        checksum.copy_from_slice(self.digest.finish().as_ref());
        MovedTable { table, rows: self.rows, checksum }
    }
}
