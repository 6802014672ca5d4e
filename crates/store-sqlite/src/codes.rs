//! The effect of a code on its TOTP factor.

use countersign_domain::sid::{EntitySid, FactorSid};
use countersign_store::seam::{CodeCheck, JudgedCode};
use countersign_store_sql::values::step_number;
use countersign_store_sql::{rows, stored_codes_columns};
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::statement::{execute, one, statements};

statements! {
    CODES = concat!("SELECT ", stored_codes_columns!(), " FROM totp_factors WHERE entity_sid = ?1 AND sid = ?2");
    SPEND = "UPDATE totp_factors SET last_step = ?3, wrong_codes = 0, wrong_in_a_row = 0 \
             WHERE entity_sid = ?1 AND sid = ?2";
    COUNT_IN_A_ROW = "UPDATE totp_factors SET wrong_in_a_row = wrong_in_a_row + 1 WHERE entity_sid = ?1 AND sid = ?2";
}

/// Checks a code and writes nothing.
pub(crate) fn check(
    db: &Connection,
    entity: EntitySid,
    factor: FactorSid,
    shown: JudgedCode,
) -> Result<CodeCheck, DatabaseError> {
    let stored = one(db, CODES, [entity.as_bytes(), factor.as_bytes()], |row| {
        rows::totp_factors::stored_codes(cells_of(row, "totp_factors"))
    })?;
    Ok(stored.map_or(CodeCheck::SettingsChanged, |stored| stored.check(shown)))
}

/// Uses up the step of an accepted code, or counts a wrong one.
pub(crate) fn record(
    db: &Connection,
    entity: EntitySid,
    factor: FactorSid,
    check: CodeCheck,
) -> Result<(), DatabaseError> {
    let key = [entity.as_bytes(), factor.as_bytes()];
    match check {
        CodeCheck::Accepted(step) => {
            execute(db, SPEND, params![key[0], key[1], step_number(step)])?
        }
        CodeCheck::Wrong => execute(db, COUNT_IN_A_ROW, key)?,
        CodeCheck::Spent | CodeCheck::Exhausted | CodeCheck::SettingsChanged => return Ok(()),
    };
    Ok(())
}
