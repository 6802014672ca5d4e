//! Operators.

use countersign_domain::operator::{Operator, OperatorName, PasswordHash};
use countersign_domain::sid::{AccountSid, OperatorSid};
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`operator`].
#[macro_export]
macro_rules! operator_columns {
    () => {
        "sid, account_sid, name, role, password, created_at, updated_at"
    };
}

/// Reads an operator.
///
/// # Errors
/// A cell is corrupt.
pub fn operator<R: SqlRow>(mut cells: Cells<R>) -> RowResult<Operator> {
    Ok(Operator {
        sid: cells.map(OperatorSid::from_bytes)?,
        account: cells.map(AccountSid::from_bytes)?,
        name: cells.parse(|text| OperatorName::parse(text).ok())?,
        role: cells.parse(|text| text.parse().ok())?,
        password: cells.map_if_any(PasswordHash)?,
        created_at: cells.map(Instant::from_micros)?,
        updated_at: cells.map(Instant::from_micros)?,
    })
}
