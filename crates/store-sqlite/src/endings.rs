//! How deliveries and notifications end.

use countersign_domain::ending::Ending;
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;
use countersign_store_sql::rows::deliveries::OpenDelivery;
use countersign_store_sql::values::ending_cells;
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::events;
use crate::statement::{all, execute, one, statements};

statements! {
    DELETE = "DELETE FROM deliveries WHERE challenge_sid = ?1 AND notification_sid = ?2";
    OF_CHALLENGE = "SELECT challenge_sid, notification_sid, ordinal, written FROM deliveries WHERE challenge_sid = ?1";
    /// Backwards from the newest, which is nearly always the one looked for.
    ORDINAL = "SELECT ordinal FROM notifications WHERE challenge_sid = ?1 AND sid = ?2 ORDER BY ordinal DESC LIMIT 1";
    SID = "SELECT sid FROM notifications WHERE challenge_sid = ?1 AND ordinal = ?2";
    /// An ending is final, except for the step from `sent` to `delivered`.
    CLOSE = "UPDATE notifications SET ending = ?3, reason = ?4, code = ?5, updated_at = ?6, attempts = attempts || ?7 \
             WHERE challenge_sid = ?1 AND ordinal = ?2 \
             AND (ending IS NULL OR (ending = 'sent' AND ?3 = 'delivered'))";
    /// An ended notification keeps the time of its end.
    RECORD = "UPDATE notifications SET attempts = attempts || ?3, updated_at = CASE WHEN ending IS NULL THEN max(updated_at, ?4) ELSE updated_at END WHERE challenge_sid = ?1 AND ordinal = ?2";
}

/// Writes the ending of a notification and the `line` of its last attempt, and records the event. Returns whether the
/// notification had not ended before.
pub(crate) fn close(
    db: &Connection,
    challenge: ChallengeSid,
    ordinal: i64,
    ending: Ending,
    line: &str,
    at: Instant,
) -> Result<bool, DatabaseError> {
    let (status, reason, code) = ending_cells(Some(ending));
    let challenge_sid = challenge.as_bytes();
    let cells = params![challenge_sid, ordinal, status, reason, code, at.as_micros(), line];
    let rows = execute(db, CLOSE, cells)?;
    if rows > 0 {
        events::of_notification(db, challenge, || sid(db, challenge, ordinal), ending, at)?;
    }
    Ok(rows > 0)
}

fn sid(
    db: &Connection,
    challenge: ChallengeSid,
    ordinal: i64,
) -> Result<Option<NotificationSid>, DatabaseError> {
    one(db, SID, params![challenge.as_bytes(), ordinal], |row| {
        cells_of(row, "notifications").map(NotificationSid::from_bytes)
    })
}

/// Appends the `line` of an attempt.
pub(crate) fn record(
    db: &Connection,
    challenge: ChallengeSid,
    ordinal: i64,
    line: &str,
    at: Instant,
) -> Result<(), DatabaseError> {
    let params = params![challenge.as_bytes(), ordinal, line, at.as_micros()];
    execute(db, RECORD, params).map(|_| ())
}

/// Reads the ordinal of a notification.
pub(crate) fn ordinal(
    db: &Connection,
    challenge: ChallengeSid,
    sid: NotificationSid,
) -> Result<Option<i64>, DatabaseError> {
    one(db, ORDINAL, [challenge.as_bytes(), sid.as_bytes()], |row| {
        cells_of(row, "notifications").take()
    })
}

/// Reads the deliveries of a challenge.
pub(crate) fn open_deliveries(
    db: &Connection,
    challenge: ChallengeSid,
) -> Result<Vec<OpenDelivery>, DatabaseError> {
    all(db, OF_CHALLENGE, [challenge.as_bytes()], |row| {
        OpenDelivery::read(&mut cells_of(row, "deliveries"))
    })
}

/// Removes the row of a delivery.
pub(crate) fn delete(
    db: &Connection,
    challenge: ChallengeSid,
    notification: NotificationSid,
) -> Result<(), DatabaseError> {
    execute(db, DELETE, [challenge.as_bytes(), notification.as_bytes()]).map(|_| ())
}

/// Removes the row of a delivery and closes its notification.
pub(crate) fn end(
    db: &Connection,
    open: &OpenDelivery,
    ending: Ending,
    at: Instant,
) -> Result<(), DatabaseError> {
    delete(db, open.challenge, open.notification)?;
    close(db, open.challenge, open.ordinal, ending, "", at).map(|_| ())
}
