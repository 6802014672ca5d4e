//! The outcomes of leased calls.

use countersign_domain::event::CallId;
use countersign_domain::node::NodeId;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::{AfterCall, CallFailure, KEPT_FOR};
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::rows::calls::response_cell;
use rusqlite::{Connection, params};

use crate::call_order::step_up;
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{execute, one, statements};

statements! {
    HELD = "SELECT webhook_sid, factor_sid FROM webhook_calls \
            WHERE id = ?1 AND state = 'leased' AND node = ?2 AND wake_at = ?3";
    OF_CALL = "SELECT webhook_sid, factor_sid FROM webhook_calls WHERE id = ?1";
    /// Counts the try that was taken.
    KEEP = "INSERT INTO calls_taken (challenge_sid, id, webhook_sid, event, happened_at, attempts, taken_at, status) \
            SELECT ?2, id, webhook_sid, event, happened_at, attempts + 1, ?3, ?4 FROM webhook_calls WHERE id = ?1 \
            ON CONFLICT DO NOTHING";
    DELETE = "DELETE FROM webhook_calls WHERE id = ?1";
    RETRY = "UPDATE webhook_calls SET state = 'due', node = NULL, wake_at = ?2, attempts = attempts + 1, last_error = ?3, \
             last_response = ?4 WHERE id = ?1";
    FAIL = "UPDATE webhook_calls SET state = 'failed', node = NULL, wake_at = ?2, attempts = attempts + 1, \
            last_error = ?3, last_response = ?4 WHERE id = ?1";
    /// Of a call whose deadline passed while it waited.
    LATE = "UPDATE webhook_calls SET state = 'failed', wake_at = ?2, last_error = coalesce(last_error, 'not tried in time') \
            WHERE id = ?1";
}

/// Removes a call and makes the next one of its webhook and factor due.
pub(crate) fn finish(db: &Connection, id: CallId) -> Result<(), DatabaseError> {
    let of = one(db, OF_CALL, [id.0], webhook_and_factor)?;
    execute(db, DELETE, [id.0])?;
    of.map_or(Ok(()), |(webhook, factor)| step_up(db, &webhook, &factor))
}

/// Gives up a call whose deadline passed while it waited, and makes the next one due.
pub(crate) fn give_up_late(db: &Connection, id: CallId, now: Instant) -> Result<(), DatabaseError> {
    execute(db, LATE, params![id.0, (now + KEPT_FOR).as_micros()])?;
    let of = one(db, OF_CALL, [id.0], webhook_and_factor)?;
    of.map_or(Ok(()), |(webhook, factor)| step_up(db, &webhook, &factor))
}

fn webhook_and_factor(row: &rusqlite::Row<'_>) -> RowResult<([u8; 16], [u8; 16])> {
    let mut cells = cells_of(row, "webhook_calls");
    Ok((cells.take()?, cells.take()?))
}

/// Writes the outcome of a leased call. Returns whether the lease held.
pub(crate) struct Settle {
    pub(crate) id: CallId,
    /// The challenge that the call tells of.
    pub(crate) challenge: Option<ChallengeSid>,
    pub(crate) node: NodeId,
    pub(crate) until: Instant,
    pub(crate) after: AfterCall,
    pub(crate) failure: CallFailure,
    pub(crate) at: Instant,
}

impl Command for Settle {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let held = params![self.id.0, self.node.0, self.until.as_micros()];
        let Some((webhook, factor)) = one(db, HELD, held, webhook_and_factor)? else {
            return Ok(false);
        };
        let CallFailure { error, response } = &self.failure;
        let response = response_cell(response.as_ref());
        match self.after {
            AfterCall::Taken { status } => {
                if let Some(challenge) = self.challenge {
                    let at = self.at.as_micros();
                    execute(db, KEEP, params![self.id.0, challenge.as_bytes(), at, status])?;
                }
                execute(db, DELETE, [self.id.0])?;
                step_up(db, &webhook, &factor)?;
            }
            AfterCall::Retry { at } => {
                execute(db, RETRY, params![self.id.0, at.as_micros(), error, response])?;
            }
            AfterCall::Failed => {
                let forgotten = (self.at + KEPT_FOR).as_micros();
                execute(db, FAIL, params![self.id.0, forgotten, error, response])?;
                step_up(db, &webhook, &factor)?;
            }
        }
        Ok(true)
    }
}
