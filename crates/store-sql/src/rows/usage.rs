//! Rows that count against quotas.

use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_store::seam::{CountedRow, CountedTable};

use crate::cells::{Cells, RowResult, SqlRow};

/// Reads the two cells of the key, the account, the time of creation, and the number of bytes of the row's texts.
///
/// # Errors
/// A cell is corrupt.
pub fn counted_row<R: SqlRow>(mut cells: Cells<R>, table: CountedTable) -> RowResult<CountedRow> {
    Ok(CountedRow {
        key: [cells.take()?, cells.take()?],
        account: cells.map(AccountSid::from_bytes)?,
        made_at: cells.map(Instant::from_micros)?,
        usage: table.usage(cells.take()?),
    })
}
