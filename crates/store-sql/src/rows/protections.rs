//! Protections of entities, and the challenges that they count.

use countersign_domain::entity::Owner;
use countersign_domain::protection::{Pause, PauseReason, Prompt, Protection};
use countersign_domain::sid::{ChallengeSid, EntitySid};
use countersign_domain::time::Instant;

use super::challenges;
use super::entities::owner;
use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`protection`].
#[macro_export]
macro_rules! protection_columns {
    () => {
        "entity_sid, counts_from, reason, level, paused_until, cause"
    };
}

/// Which challenges [`prompt`](crate::rows::protections::prompt) reads of a group: the first, which counts, and the one that was answered.
#[macro_export]
macro_rules! prompt_condition {
    () => {
        "(group_sid IS NULL OR group_sid = sid OR answered_at IS NOT NULL AND ended_by IS NULL)"
    };
}

/// The columns of [`prompt`].
#[macro_export]
macro_rules! prompt_columns {
    () => {
        "c.entity_sid, c.created_at, c.state, c.answered_at, c.ended_by, c.expires_at, c.group_sid IS NULL OR c.group_sid = c.sid"
    };
}

/// Reads the protection of an entity.
///
/// # Errors
/// A cell is corrupt.
pub fn protection<R: SqlRow>(mut cells: Cells<R>) -> RowResult<(EntitySid, Protection)> {
    let entity = cells.map(EntitySid::from_bytes)?;
    let counts_from = cells.map(Instant::from_micros)?;
    let reason = cells.parse_if_any(|word| word.parse::<PauseReason>().ok())?;
    let level = cells.take()?;
    let until = cells.map_if_any(Instant::from_micros)?;
    let cause = cells.map_if_any(ChallengeSid::from_bytes)?;
    let pause = reason.map(|reason| Pause { reason, level, until });
    Ok((entity, Protection { pause, cause, counts_from }))
}

/// The columns of [`paused`], of an entity `e`.
#[macro_export]
macro_rules! paused_columns {
    () => {
        concat!("e.account_sid, e.service_sid, e.sid, e.identity, ", $crate::protection_columns!())
    };
}

/// Reads an entity and its protection.
///
/// # Errors
/// A cell is corrupt.
pub fn paused<R: SqlRow>(mut cells: Cells<R>) -> RowResult<(Owner, Protection)> {
    let owner = owner(&mut cells)?;
    Ok((owner, protection(cells.next_table("protections"))?.1))
}

/// Reads a push challenge, as far as it is counted, and its entity.
///
/// # Errors
/// A cell is corrupt.
pub fn prompt<R: SqlRow>(mut cells: Cells<R>) -> RowResult<(EntitySid, Prompt)> {
    let entity = cells.map(EntitySid::from_bytes)?;
    let created_at = cells.map(Instant::from_micros)?;
    let state = challenges::standing(&mut cells)?.state;
    Ok((entity, Prompt { created_at, state, counts: cells.take()? }))
}
