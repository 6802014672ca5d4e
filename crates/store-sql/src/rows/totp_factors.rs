//! TOTP factors.

use countersign_domain::secret::Sealed;
use countersign_domain::sid::FactorSid;
use countersign_domain::text::FriendlyName;
use countersign_domain::time::Instant;
use countersign_domain::totp::{TotpConfig, TotpFactor};
use countersign_store::seam::StoredCodes;

use super::entities::owner;
use super::factors::factor_status;
use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`totp_factor`], of the table alias `f`.
#[macro_export]
macro_rules! totp_factor_columns {
    () => {
        "f.sid, f.account_sid, f.service_sid, f.entity_sid, f.identity, f.friendly_name, f.status, f.secret, f.alg, \
         f.time_step, f.skew, f.code_length, f.last_step, f.created_at, f.updated_at"
    };
}

/// Reads a TOTP factor.
///
/// # Errors
/// A cell is corrupt.
pub fn totp_factor<R: SqlRow>(mut cells: Cells<R>) -> RowResult<TotpFactor> {
    Ok(TotpFactor {
        sid: cells.map(FactorSid::from_bytes)?,
        owner: owner(&mut cells)?,
        friendly_name: cells.parse(|text| FriendlyName::parse(text).ok())?,
        status: cells.parse(factor_status)?,
        secret: cells.map(Sealed::from_bytes)?,
        config: config(&mut cells)?,
        last_step: last_step(&mut cells)?,
        created_at: cells.map(Instant::from_micros)?,
        updated_at: cells.map(Instant::from_micros)?,
    })
}

/// The columns of [`stored_codes`].
#[macro_export]
macro_rules! stored_codes_columns {
    () => {
        "alg, time_step, skew, code_length, last_step, wrong_in_a_row"
    };
}

/// Reads what a code is checked by.
///
/// # Errors
/// A cell is corrupt.
pub fn stored_codes<R: SqlRow>(mut cells: Cells<R>) -> RowResult<StoredCodes> {
    Ok(StoredCodes {
        config: config(&mut cells)?,
        last_step: last_step(&mut cells)?,
        wrong_in_a_row: cells.take()?,
    })
}

fn config<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<TotpConfig> {
    Ok(TotpConfig {
        alg: cells.parse(|word| word.parse().ok())?,
        time_step: cells.take()?,
        skew: cells.take()?,
        code_length: cells.take()?,
    })
}

fn last_step<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<Option<u64>> {
    cells.map(|step: Option<i64>| step.and_then(|step| step.try_into().ok()))
}
