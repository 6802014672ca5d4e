//! How deliveries and notifications end.

use std::collections::HashMap;

use countersign_domain::ending::Ending;
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;
use countersign_store_sql::rows::deliveries::OpenDelivery;
use countersign_store_sql::values::ending_cells;
use uuid::Uuid;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::events::{self, Ended};
use crate::params::{column, id, params, span};
use crate::session::Session;
use crate::statement::all;

const DELETE: &str = "DELETE FROM deliveries d USING unnest($1, $2) AS u (challenge_sid, notification_sid) \
                      WHERE d.challenge_sid = u.challenge_sid AND d.notification_sid = u.notification_sid \
                      AND d.challenge_sid = ANY ($1)";
/// An ending is final, except for the step from `sent` to `delivered`.
const CLOSE: &str = "UPDATE notifications n SET ending = u.ending, reason = u.reason, code = u.code, updated_at = u.at, \
                     attempts = n.attempts || u.line FROM unnest($1, $2, $3, $4, $5, $6, $7) \
                     AS u (challenge_sid, ordinal, ending, reason, code, at, line) \
                     WHERE n.challenge_sid = u.challenge_sid AND n.ordinal = u.ordinal AND n.challenge_sid = ANY ($1) \
                     AND n.challenge_sid BETWEEN $8 AND $9 \
                     AND (n.ending IS NULL OR (n.ending = 'sent' AND u.ending = 'delivered')) \
                     RETURNING n.challenge_sid, n.ordinal, n.sid";
const OF_CHALLENGES: &str = "SELECT challenge_sid, notification_sid, ordinal, written FROM deliveries \
                             WHERE challenge_sid = ANY($1) ORDER BY challenge_sid, notification_sid FOR UPDATE";

/// A delivery and its ending.
pub(crate) struct End {
    pub(crate) open: OpenDelivery,
    pub(crate) ending: Ending,
    pub(crate) at: Instant,
}

/// Removes the rows of deliveries and closes their notifications.
pub(crate) async fn end(db: &Session, ends: &[End]) -> Result<(), DatabaseError> {
    if ends.is_empty() {
        return Ok(());
    }
    let keys = column(ends, |end| (end.open.challenge, end.open.notification));
    delete(db, &keys).await?;
    let close = |end: &End| Close {
        challenge: end.open.challenge,
        ordinal: end.open.ordinal,
        ending: end.ending,
        line: "",
        at: end.at,
    };
    close_all(db, &column(ends, close)).await.map(|_| ())
}

/// Removes the rows of deliveries.
pub(crate) async fn delete(
    db: &Session,
    keys: &[(ChallengeSid, NotificationSid)],
) -> Result<(), DatabaseError> {
    if keys.is_empty() {
        return Ok(());
    }
    let challenges = column(keys, |(challenge, _)| id(challenge.as_bytes()));
    let notifications = column(keys, |(_, notification)| id(notification.as_bytes()));
    db.execute(DELETE, params![challenges, notifications]).await.map(|_| ())
}

/// A notification and its ending.
pub(crate) struct Close<'a> {
    pub(crate) challenge: ChallengeSid,
    pub(crate) ordinal: i64,
    pub(crate) ending: Ending,
    /// The record of the last attempt; empty without one.
    pub(crate) line: &'a str,
    pub(crate) at: Instant,
}

/// Writes the endings of notifications and stores the calls of the events. Returns those that had not ended before, by challenge and
/// ordinal.
pub(crate) async fn close_all(
    db: &Session,
    ends: &[Close<'_>],
) -> Result<Vec<(ChallengeSid, i64)>, DatabaseError> {
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    let cells = column(ends, |end| ending_cells(Some(end.ending)));
    let challenges = column(ends, |end| id(end.challenge.as_bytes()));
    let (first, last) = span(&challenges);
    let params = params![
        challenges,
        column(ends, |end| end.ordinal),
        column(&cells, |cells| cells.0),
        column(&cells, |cells| cells.1),
        column(&cells, |cells| cells.2),
        column(ends, |end| end.at.as_micros()),
        column(ends, |end| end.line),
        first,
        last,
    ];
    let closed = all(db, CLOSE, params, |row| {
        let mut cells = cells_of(row, "notifications");
        let key = (cells.map(ChallengeSid::from_bytes)?, cells.take::<i64>()?);
        Ok((key, cells.map(NotificationSid::from_bytes)?))
    });
    let closed: HashMap<_, _> = closed.await?.into_iter().collect();
    let ended = |end: &Close<'_>| {
        let sid = *closed.get(&(end.challenge, end.ordinal))?;
        Some(Ended { challenge: end.challenge, sid, ending: end.ending, at: end.at })
    };
    events::of_notifications(db, &ends.iter().filter_map(ended).collect::<Vec<_>>()).await?;
    Ok(closed.into_keys().collect())
}

/// Reads the deliveries of challenges and locks them until the end of the transaction.
pub(crate) async fn open_deliveries(
    db: &Session,
    challenges: impl Iterator<Item = ChallengeSid> + Send,
) -> Result<Vec<OpenDelivery>, DatabaseError> {
    let challenges: Vec<Uuid> = challenges.map(|sid| id(sid.as_bytes())).collect();
    all(db, OF_CHALLENGES, params![challenges], |row| {
        OpenDelivery::read(&mut cells_of(row, "deliveries"))
    })
    .await
}
