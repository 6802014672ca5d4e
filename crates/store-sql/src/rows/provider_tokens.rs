//! Provider tokens.

use countersign_domain::provider_token::ProviderToken;
use countersign_domain::secret::Sealed;
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`provider_token`].
#[macro_export]
macro_rules! provider_token_columns {
    () => {
        "key, version, token, signed_at, forced_at"
    };
}

/// Reads a provider token.
///
/// # Errors
/// A cell is corrupt.
pub fn provider_token<R: SqlRow>(mut cells: Cells<R>) -> RowResult<ProviderToken> {
    Ok(ProviderToken {
        key: cells.take()?,
        version: cells.take()?,
        token: cells.map(Sealed::from_bytes)?,
        signed_at: cells.map(Instant::from_micros)?,
        forced_at: cells.map_if_any(Instant::from_micros)?,
    })
}
