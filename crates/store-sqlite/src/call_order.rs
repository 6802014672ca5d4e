//! The order of the calls of one webhook and factor: only the earliest unfinished one is due or leased, the others are `behind`.

use rusqlite::Connection;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::statement::{execute, exists, one, statements};

statements! {
    /// The call of a webhook and factor that is due or leased.
    IN_FRONT = "SELECT 1 FROM webhook_calls WHERE webhook_sid = ?1 AND factor_sid = ?2 AND (state = 'due' OR state = 'leased')";
    NEXT_IN_LINE = "SELECT id FROM webhook_calls WHERE webhook_sid = ?1 AND factor_sid = ?2 AND state = 'behind' \
                    ORDER BY happened_at LIMIT 1";
    STEP_UP = "UPDATE webhook_calls SET state = 'due' WHERE id = ?1";
}

/// The state of a new call: `due`, or `behind` an earlier call of the same webhook and factor.
pub(crate) fn state_of_new(
    db: &Connection,
    webhook: &[u8; 16],
    factor: &[u8; 16],
) -> Result<&'static str, DatabaseError> {
    Ok(if exists(db, IN_FRONT, [webhook, factor])? { "behind" } else { "due" })
}

/// Makes the next call of a webhook and factor due, after one has ended.
pub(crate) fn step_up(
    db: &Connection,
    webhook: &[u8; 16],
    factor: &[u8; 16],
) -> Result<(), DatabaseError> {
    let next = one(db, NEXT_IN_LINE, [webhook, factor], |row| {
        cells_of(row, "webhook_calls").take::<[u8; 16]>()
    })?;
    next.map_or(Ok(()), |id| execute(db, STEP_UP, [id]).map(|_| ()))
}
