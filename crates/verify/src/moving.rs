//! Moving house: everything that is in one database, into another one.
//!
//! Rows are copied table by table, in the order of their keys, so that a run that was interrupted goes on behind the
//! greatest key that arrived. At the end every row of both sides is read again and summed up. Until that went well, the
//! target keeps a check value that no master key makes, and every server refuses to start on it.

use aws_lc_rs::digest::{Context, SHA256};
use countersign_domain::time::Instant;
use countersign_store::StoreError;
use countersign_store::moving::{Moving, Row, TABLES, Table, Value};

use crate::keys::Keys;

/// Rows that are read, and written, at a time.
const PAGE: usize = 500;

/// Why nothing moved, or not all.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotMove {
    /// A database failed; a second run goes on where this one ended.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing was ever kept in the source.
    #[error("there is nothing to move: no server has ever used the source")]
    NoSource,
    /// The master key is not that of the source.
    #[error("this is not the master key that the source was made under")]
    WrongKey,
    /// The target holds what is not of this source.
    #[error(
        "the target is in use: there are rows in its table {0}, and they did not come from here"
    )]
    NotEmpty(&'static str),
    /// The target was made under another master key.
    #[error("the target was made under another master key")]
    OtherTarget,
    /// Both sides were read to the end and differ.
    #[error(
        "the target differs from the source in {0}: either was used meanwhile, or the target before; empty the target and begin again"
    )]
    Differs(&'static str),
}

/// A table of which all rows are on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// Over all of its rows, in order.
    pub checksum: [u8; 32],
}

/// What is told while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many rows of a table have arrived, of so many.
    Copied(&'static str, u64, u64),
    /// So many rows of a table were compared, of so many.
    Compared(&'static str, u64, u64),
}

/// Moves everything and compares it; what there is now, on both sides. Rows made before `since` get no room of their own.
///
/// # Errors
/// Why it did not.
pub async fn move_all(
    (from, to): (&dyn Moving, &dyn Moving),
    keys: &Keys,
    (since, now): (Instant, Instant),
    mut tell: impl FnMut(Progress),
) -> Result<Vec<Moved>, CannotMove> {
    let value = keys.check_value();
    match from.kept_key_check().await? {
        None => return Err(CannotMove::NoSource),
        Some(kept) if kept != value => return Err(CannotMove::WrongKey),
        Some(_) => {}
    }
    let unfinished = value.map(|byte| !byte);
    match to.kept_key_check().await? {
        Some(kept) if kept == unfinished => {}
        // one that was finished before is compared once more
        Some(kept) if kept == value => return compare(from, to, &mut tell).await,
        Some(_) => return Err(CannotMove::OtherTarget),
        None => {
            for table in &TABLES {
                if to.last_key(table).await?.is_some() {
                    return Err(CannotMove::NotEmpty(table.name));
                }
            }
            if !to.replace_key_check(None, unfinished).await? {
                return Err(CannotMove::OtherTarget);
            }
        }
    }
    to.expect_rows(since, now).await?;
    for table in &TABLES {
        copy(from, to, table, &mut tell).await?;
    }
    let moved = compare(from, to, &mut tell).await?;
    if !to.replace_key_check(Some(unfinished), value).await? {
        return Err(CannotMove::OtherTarget);
    }
    Ok(moved)
}

/// Copies the rows of a table that are not there yet.
async fn copy(
    from: &dyn Moving,
    to: &dyn Moving,
    table: &'static Table,
    tell: &mut impl FnMut(Progress),
) -> Result<(), CannotMove> {
    let all = from.count(table).await?;
    let mut arrived = to.count(table).await?;
    let mut after = to.last_key(table).await?;
    loop {
        let rows = from.rows(table, after.as_deref(), PAGE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last[..table.key.len()].to_vec());
        arrived += rows.len() as u64;
        to.put_rows(table, rows).await?;
        tell(Progress::Copied(table.name, arrived, all));
    }
}

/// Reads both sides to the end.
async fn compare(
    from: &dyn Moving,
    to: &dyn Moving,
    tell: &mut impl FnMut(Progress),
) -> Result<Vec<Moved>, CannotMove> {
    let mut moved = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        let here = sum(from, table, &mut |_| ()).await?;
        let mut tell = |rows| tell(Progress::Compared(table.name, rows, here.rows));
        if sum(to, table, &mut tell).await? != here {
            return Err(CannotMove::Differs(table.name));
        }
        moved.push(here);
    }
    Ok(moved)
}

async fn sum(
    side: &dyn Moving,
    table: &'static Table,
    tell: &mut impl FnMut(u64),
) -> Result<Moved, CannotMove> {
    let mut sum = Sum::new();
    let mut after: Option<Vec<Value>> = None;
    loop {
        let rows = side.rows(table, after.as_deref(), PAGE).await?;
        let Some(last) = rows.last() else { return Ok(sum.of(table.name)) };
        after = Some(last[..table.key.len()].to_vec());
        rows.iter().for_each(|row| sum.add(row));
        tell(sum.rows);
    }
}

/// A sum over rows.
struct Sum {
    rows: u64,
    digest: Context,
}

impl Sum {
    fn new() -> Self {
        Self { rows: 0, digest: Context::new(&SHA256) }
    }

    /// Each value with its kind and its length before it, so that no two rows sum up to the same.
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

    fn of(self, table: &'static str) -> Moved {
        let mut checksum = [0; 32];
        checksum.copy_from_slice(self.digest.finish().as_ref());
        Moved { table, rows: self.rows, checksum }
    }
}
