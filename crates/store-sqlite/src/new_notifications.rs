//! New notifications and their deliveries.

use countersign_domain::delivery::NewNotification;
use countersign_store_sql::values::{ending_cells, initial_ending, initial_state};
use rusqlite::{Connection, params};

use crate::error::DatabaseError;
use crate::statement::{execute, statements};

statements! {
    INSERT = "INSERT INTO notifications (challenge_sid, ordinal, sid, ttl, created_at, updated_at, born_on, ending, \
              reason, code, attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, '')";
    INSERT_DELIVERY = "INSERT INTO deliveries (challenge_sid, notification_sid, ordinal, factor_sid, entity_sid, deadline, \
                       attempts, state, node, wake_at, written, changed_at) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, false, ?11)";
}

/// Inserts a notification and, unless its initial state needs none, its delivery.
pub(crate) fn insert(
    db: &Connection,
    new: &NewNotification,
    ordinal: i64,
) -> Result<(), DatabaseError> {
    let (status, reason, code) = ending_cells(initial_ending(new));
    execute(
        db,
        INSERT,
        params![
            new.delivery.challenge.as_bytes(),
            ordinal,
            new.delivery.notification.as_bytes(),
            new.ttl,
            new.created_at.as_micros(),
            new.node.0,
            status,
            reason,
            code,
        ],
    )?;
    insert_delivery(db, new, ordinal)
}

fn insert_delivery(
    db: &Connection,
    new: &NewNotification,
    ordinal: i64,
) -> Result<(), DatabaseError> {
    let Some((state, wake_at)) = initial_state(new) else {
        return Ok(());
    };
    let delivery = &new.delivery;
    execute(
        db,
        INSERT_DELIVERY,
        params![
            delivery.challenge.as_bytes(),
            delivery.notification.as_bytes(),
            ordinal,
            delivery.factor.as_bytes(),
            delivery.entity.as_bytes(),
            delivery.deadline.as_micros(),
            delivery.attempts,
            state,
            (state == "leased").then_some(new.node.0),
            wake_at,
            new.created_at.as_micros(),
        ],
    )
    .map(|_| ())
}
