//! The effect of a code on its TOTP factor.

use countersign_domain::sid::{EntitySid, FactorSid};
use countersign_store::seam::{CodeCheck, JudgedCode};
use countersign_store_sql::values::step_number;
use countersign_store_sql::{rows, stored_codes_columns};

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::one;

/// Locks the row until the end of the transaction, so that the next code is checked by what this one changes.
const CODES: &str = concat!(
    "SELECT ",
    stored_codes_columns!(),
    " FROM totp_factors WHERE entity_sid = $1 AND sid = $2 FOR UPDATE"
);
const SPEND: &str = "UPDATE totp_factors SET last_step = $3, wrong_codes = 0, wrong_in_a_row = 0 \
                     WHERE entity_sid = $1 AND sid = $2";
const COUNT_IN_A_ROW: &str = "UPDATE totp_factors SET wrong_in_a_row = wrong_in_a_row + 1 WHERE entity_sid = $1 AND sid = $2";

/// Checks a code and locks its factor. Writes nothing.
pub(crate) async fn check(
    db: &Session,
    entity: EntitySid,
    factor: FactorSid,
    shown: JudgedCode,
) -> Result<CodeCheck, DatabaseError> {
    let key = params![id(entity.as_bytes()), id(factor.as_bytes())];
    let stored =
        one(db, CODES, key, |row| rows::totp_factors::stored_codes(cells_of(row, "totp_factors")));
    Ok(stored.await?.map_or(CodeCheck::SettingsChanged, |stored| stored.check(shown)))
}

/// Uses up the step of an accepted code, or counts a wrong one.
pub(crate) async fn record(
    db: &Session,
    entity: EntitySid,
    factor: FactorSid,
    check: CodeCheck,
) -> Result<(), DatabaseError> {
    let (entity, factor) = (id(entity.as_bytes()), id(factor.as_bytes()));
    match check {
        CodeCheck::Accepted(step) => {
            db.execute(SPEND, params![entity, factor, step_number(step)]).await?;
        }
        CodeCheck::Wrong => {
            db.execute(COUNT_IN_A_ROW, params![entity, factor]).await?;
        }
        CodeCheck::Spent | CodeCheck::Exhausted | CodeCheck::SettingsChanged => {}
    }
    Ok(())
}
