//! Integrations.

use countersign_domain::integration::Integration;
use countersign_domain::secret::Sealed;
use countersign_domain::sid::{AccountSid, IntegrationSid, ServiceSid};
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`integration`], of the table alias `i`.
#[macro_export]
macro_rules! integration_columns {
    () => {
        "i.sid, i.account_sid, i.service_sid, i.kind, i.key, i.secret, i.settings, i.created_at, i.updated_at"
    };
}

/// Reads an integration.
///
/// # Errors
/// A cell is corrupt.
pub fn integration<R: SqlRow>(mut cells: Cells<R>) -> RowResult<Integration> {
    Ok(Integration {
        sid: cells.map(IntegrationSid::from_bytes)?,
        account: cells.map(AccountSid::from_bytes)?,
        service: cells.map(ServiceSid::from_bytes)?,
        kind: cells.parse(|word| word.parse().ok())?,
        key: cells.parse(|text| text.parse().ok())?,
        secret: cells.map(Sealed::from_bytes)?,
        settings: cells.parse(|text| serde_json::from_str(text).ok())?,
        created_at: cells.map(Instant::from_micros)?,
        updated_at: cells.map(Instant::from_micros)?,
    })
}
