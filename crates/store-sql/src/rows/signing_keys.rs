//! Keys that sign tokens of the OpenID provider.

use countersign_domain::secret::Sealed;
use countersign_domain::signing_key::SigningKey;
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`signing_key`].
#[macro_export]
macro_rules! signing_key_columns {
    () => {
        "algorithm, version, key, created_at"
    };
}

/// Reads a key.
///
/// # Errors
/// A cell is corrupt.
pub fn signing_key<R: SqlRow>(mut cells: Cells<R>) -> RowResult<SigningKey> {
    Ok(SigningKey {
        algorithm: cells.parse(|word| word.parse().ok())?,
        version: cells.take()?,
        key: cells.map(Sealed::from_bytes)?,
        created_at: cells.map(Instant::from_micros)?,
    })
}
