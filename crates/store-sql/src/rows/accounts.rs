//! Accounts and API keys.

use countersign_domain::account::{Account, ApiKey, AuthToken};
use countersign_domain::secret::{Sealed, SecretHash};
use countersign_domain::sid::{AccountSid, ApiKeySid};
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`account`].
#[macro_export]
macro_rules! account_columns {
    () => {
        "sid, friendly_name, primary_sealed, primary_hash, secondary_sealed, secondary_hash, suspended_at, \
         created_at, updated_at"
    };
}

/// Reads an account.
///
/// # Errors
/// A cell is corrupt.
pub fn account<R: SqlRow>(mut cells: Cells<R>) -> RowResult<Account> {
    Ok(Account {
        sid: cells.map(AccountSid::from_bytes)?,
        friendly_name: cells.take()?,
        primary: AuthToken { sealed: cells.map(Sealed::from_bytes)?, hash: cells.map(SecretHash)? },
        secondary: match (cells.take()?, cells.take::<Option<_>>()?) {
            (Some(sealed), Some(hash)) => {
                Some(AuthToken { sealed: Sealed::from_bytes(sealed), hash: SecretHash(hash) })
            }
            (None, None) => None,
            _ => return Err(cells.contradiction()),
        },
        suspended_at: cells.map_if_any(Instant::from_micros)?,
        created_at: cells.map(Instant::from_micros)?,
        updated_at: cells.map(Instant::from_micros)?,
    })
}

/// The two cells of the secondary token.
pub fn secondary_cells(account: &Account) -> (Option<&[u8]>, Option<&[u8]>) {
    let token = account.secondary.as_ref();
    (token.map(|token| token.sealed.as_bytes()), token.map(|token| token.hash.0.as_slice()))
}

/// The columns of [`api_key`].
#[macro_export]
macro_rules! api_key_columns {
    () => {
        "sid, account_sid, friendly_name, hash, created_at"
    };
}

/// Reads an API key.
///
/// # Errors
/// A cell is corrupt.
pub fn api_key<R: SqlRow>(mut cells: Cells<R>) -> RowResult<ApiKey> {
    Ok(ApiKey {
        sid: cells.map(ApiKeySid::from_bytes)?,
        account: cells.map(AccountSid::from_bytes)?,
        friendly_name: cells.take()?,
        hash: cells.map(SecretHash)?,
        created_at: cells.map(Instant::from_micros)?,
    })
}
