//! Where a challenge stands: what every command about it is judged by.

use countersign_domain::challenge::ChallengeLifecycle;
use countersign_domain::sid::ChallengeSid;
use countersign_store_sql::rows;
use rusqlite::Connection;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::statement::{living, one, statements};

statements! {
    STANDING = concat!(
        "SELECT c.state, c.answered_at, c.expires_at, f.sid IS NOT NULL FROM challenges c", living!("c"),
        "LEFT JOIN factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid WHERE c.sid = ?1"
    );
}

/// Reads where a challenge of a living entity stands, and whether its push factor exists.
pub(crate) fn read(
    db: &Connection,
    sid: ChallengeSid,
) -> Result<Option<(ChallengeLifecycle, bool)>, DatabaseError> {
    one(db, STANDING, [sid.as_bytes()], |row| {
        let mut cells = cells_of(row, "challenges");
        Ok((rows::challenges::standing(&mut cells)?, cells.next_table("factors").take()?))
    })
}
