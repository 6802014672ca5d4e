//! Entries of the audit trail.

use countersign_domain::audit::AuditEntry;
use countersign_domain::sid::{AccountSid, AuditSid};
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`audit_entry`].
#[macro_export]
macro_rules! audit_entry_columns {
    () => {
        "account_sid, sid, at, actor, event, subject, refusal, address"
    };
}

/// Reads an entry.
///
/// # Errors
/// A cell is corrupt.
pub fn audit_entry<R: SqlRow>(mut cells: Cells<R>) -> RowResult<AuditEntry> {
    Ok(AuditEntry {
        account: cells.map(AccountSid::from_bytes)?,
        sid: cells.map(AuditSid::from_bytes)?,
        at: cells.map(Instant::from_micros)?,
        actor: cells.take()?,
        event: cells.take()?,
        subject: cells.take()?,
        refusal: cells.take()?,
        address: cells.parse_if_any(|text| text.parse().ok())?,
    })
}
