//! Notifications, with the state of their delivery.

use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::delivery::DeliveryState;
use countersign_domain::ending::{Ending, ErrorCode, NotificationStatus, StatusReason};
use countersign_domain::node::NodeId;
use countersign_domain::notification::Notification;
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`notification`], of the table alias `n` and its delivery `d`.
#[macro_export]
macro_rules! notification_columns {
    () => {
        "n.ordinal, n.sid, n.challenge_sid, n.ttl, n.created_at, n.updated_at, n.born_on, n.ending, n.reason, n.code, \
         n.attempts, d.changed_at, d.attempts, d.state, d.node, d.wake_at, d.written"
    };
}

/// Reads a notification and its ordinal. The columns of its delivery are NULL if it has none.
///
/// # Errors
/// A cell is corrupt.
pub fn notification<R: SqlRow>(mut cells: Cells<R>) -> RowResult<(i64, Notification)> {
    let ordinal = cells.take()?;
    let mut notification = Notification {
        sid: cells.map(NotificationSid::from_bytes)?,
        challenge: cells.map(ChallengeSid::from_bytes)?,
        automatic: ordinal == 0,
        ttl: cells.take()?,
        created_at: cells.map(Instant::from_micros)?,
        updated_at: cells.map(Instant::from_micros)?,
        created_on: cells.map(NodeId)?,
        ending: ending(&mut cells)?,
        attempts: cells.parse(|lines| Some(attempts(lines)))?,
        delivery: None,
    };
    let mut cells = cells.next_table("deliveries");
    if let Some(changed_at) = cells.map_if_any(Instant::from_micros)? {
        notification.updated_at = notification.updated_at.max(changed_at);
        let attempts = cells.take()?;
        notification.delivery = Some((delivery_state(&mut cells)?, attempts));
    }
    Ok((ordinal, notification))
}

/// Reads the attempts that this release can parse; a newer release may have written others.
fn attempts(lines: &str) -> Vec<AttemptRecord> {
    lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Reads three cells: status, reason and code. A reason of a newer release is left out.
fn ending<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<Option<Ending>> {
    let status = cells.parse_if_any(NotificationStatus::from_word)?;
    let reason = cells.parse_if_any(|word| Some(StatusReason::from_word(word)))?.flatten();
    let code = cells.map_if_any(ErrorCode)?;
    Ok(status.map(|status| Ending { status, reason, code }))
}

/// Reads four cells: the word of the state, the node, the instant and whether it was written to the stream.
fn delivery_state<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<DeliveryState> {
    let word: String = cells.take()?;
    let node = cells.map_if_any(NodeId)?;
    let wake_at = cells.map(Instant::from_micros)?;
    let written = cells.take()?;
    match (word.as_str(), node) {
        ("due", None) => Ok(DeliveryState::Due { at: wake_at }),
        ("parked", None) => Ok(DeliveryState::Parked),
        ("leased", Some(node)) => Ok(DeliveryState::Leased { node, until: wake_at, written }),
        _ => Err(cells.contradiction()),
    }
}
