//! Where a challenge stands: what every command about it is judged by.

use countersign_domain::challenge::ChallengeLifecycle;
use countersign_domain::presence::Presence;
use countersign_domain::sid::ChallengeSid;
use countersign_store_sql::rows;
use rusqlite::Connection;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::statement::{living, one, statements};

statements! {
    STANDING = concat!(
        "SELECT c.state, c.answered_at, c.ended_by, c.expires_at, c.presence, f.sid IS NOT NULL FROM challenges c", living!("c"),
        "LEFT JOIN factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid WHERE c.sid = ?1"
    );
}

/// Where a challenge stands.
pub(crate) struct Standing {
    pub(crate) lifecycle: ChallengeLifecycle,
    pub(crate) presence: Option<Presence>,
    /// Whether its push factor exists.
    pub(crate) has_factor: bool,
}

/// Reads where a challenge of a living entity stands.
pub(crate) fn read(db: &Connection, sid: ChallengeSid) -> Result<Option<Standing>, DatabaseError> {
    one(db, STANDING, [sid.as_bytes()], |row| {
        let mut cells = cells_of(row, "challenges");
        let lifecycle = rows::challenges::standing(&mut cells)?;
        let presence = rows::challenges::presence(&mut cells)?;
        Ok(Standing { lifecycle, presence, has_factor: cells.next_table("factors").take()? })
    })
}
