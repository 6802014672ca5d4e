//! The keys that seal stored secrets.

use countersign_domain::sealing_key::{KeyHolder, SealingKeyId, WrappedKey};
use countersign_domain::secret::Sealed;
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`wrapped_key`].
#[macro_export]
macro_rules! wrapped_key_columns {
    () => {
        "id, holder, wrapped, created_at, retired_at"
    };
}

/// Reads a wrapped key.
///
/// # Errors
/// A cell is corrupt.
pub fn wrapped_key<R: SqlRow>(mut cells: Cells<R>) -> RowResult<WrappedKey> {
    Ok(WrappedKey {
        id: cells.map(SealingKeyId)?,
        holder: cells.map(KeyHolder)?,
        wrapped: cells.map(Sealed::from_bytes)?,
        created_at: cells.map(Instant::from_micros)?,
        retired_at: cells.map_if_any(Instant::from_micros)?,
    })
}
