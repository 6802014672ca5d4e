//! Where a challenge stands: what every command about it is judged by.

use std::collections::HashMap;

use countersign_domain::challenge::ChallengeLifecycle;
use countersign_domain::presence::Presence;
use countersign_domain::sid::{ChallengeSid, EntitySid};
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::rows;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::params::{column, id, params, span};
use crate::session::Session;
use crate::statement::{factor_of, living};

/// Locks challenges before they are judged, so that the next transaction sees what this one decides.
pub(crate) const LOCK: &str = "SELECT sid FROM challenges WHERE sid = ANY($1) AND sid BETWEEN $2 AND $3 ORDER BY sid FOR NO KEY UPDATE";
/// A second statement, since a statement sees only what was committed before it began: this one begins when the lock is held.
const READ: &str = concat!(
    "SELECT c.sid, c.state, c.answered_at, c.ended_by, c.expires_at, c.presence, f.sid IS NOT NULL, c.entity_sid, \
     EXISTS (SELECT FROM protections p WHERE p.entity_sid = c.entity_sid AND p.reason = 'in_a_row') FROM challenges c",
    living!("c"),
    factor_of!("c", "factors" as "f"),
    "WHERE c.sid = ANY($1) AND c.sid BETWEEN $2 AND $3"
);

/// A challenge that is locked until the end of the transaction.
pub(crate) struct LockedChallenge {
    pub(crate) standing: ChallengeLifecycle,
    pub(crate) presence: Option<Presence>,
    /// Whether its push factor exists.
    pub(crate) has_factor: bool,
    /// Its entity.
    pub(crate) entity: EntitySid,
    /// Whether too many challenges in a row have paused the entity.
    pub(crate) is_paused: bool,
}

/// Locks challenges and reads where they stand. Those of deleted entities are left out.
pub(crate) async fn lock(
    db: &Session,
    sids: impl Iterator<Item = ChallengeSid> + Send,
) -> Result<HashMap<ChallengeSid, LockedChallenge>, DatabaseError> {
    let sids: Vec<_> = sids.collect();
    let sids = column(&sids, |sid| id(sid.as_bytes()));
    let (first, last) = span(&sids);
    let key = params![sids, first, last];
    let [_, found] = db.query_all([(LOCK, key), (READ, key)]).await?;
    Ok(found.iter().map(locked).collect::<Result<_, _>>()?)
}

fn locked(row: &Row) -> RowResult<(ChallengeSid, LockedChallenge)> {
    let mut cells = cells_of(row, "challenges");
    let sid = cells.map(ChallengeSid::from_bytes)?;
    let standing = rows::challenges::standing(&mut cells)?;
    let presence = rows::challenges::presence(&mut cells)?;
    let (has_factor, entity) = (cells.take()?, cells.map(EntitySid::from_bytes)?);
    Ok((sid, LockedChallenge { standing, presence, has_factor, entity, is_paused: cells.take()? }))
}
