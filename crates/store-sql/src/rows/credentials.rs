//! Push credentials.

use countersign_domain::credential::Credential;
use countersign_domain::secret::Sealed;
use countersign_domain::sid::{AccountSid, CredentialSid};
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`credential`].
#[macro_export]
macro_rules! credential_columns {
    () => {
        "sid, account_sid, kind, friendly_name, sandbox, key_id, team_id, topic, secrets, created_at, updated_at"
    };
}

/// Reads a credential.
///
/// # Errors
/// A cell is corrupt.
pub fn credential<R: SqlRow>(mut cells: Cells<R>) -> RowResult<Credential> {
    Ok(Credential {
        sid: cells.map(CredentialSid::from_bytes)?,
        account: cells.map(AccountSid::from_bytes)?,
        kind: cells.parse(|word| word.parse().ok())?,
        friendly_name: cells.take()?,
        sandbox: cells.take()?,
        key_id: cells.take()?,
        team_id: cells.take()?,
        topic: cells.take()?,
        secrets: cells.map(Sealed::from_bytes)?,
        created_at: cells.map(Instant::from_micros)?,
        updated_at: cells.map(Instant::from_micros)?,
    })
}
