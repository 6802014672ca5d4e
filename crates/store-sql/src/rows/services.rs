//! Services.

use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`service`].
#[macro_export]
macro_rules! service_columns {
    () => {
        "sid, account_sid, settings, created_at, updated_at"
    };
}

/// Reads a service.
///
/// # Errors
/// A cell is corrupt.
pub fn service<R: SqlRow>(mut cells: Cells<R>) -> RowResult<Service> {
    Ok(Service {
        sid: cells.map(ServiceSid::from_bytes)?,
        account: cells.map(AccountSid::from_bytes)?,
        settings: cells.parse(|text| serde_json::from_str(text).ok())?,
        created_at: cells.map(Instant::from_micros)?,
        updated_at: cells.map(Instant::from_micros)?,
    })
}
