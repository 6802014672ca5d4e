//! Where challenges stand: what everything that is done to one is judged by.

use std::collections::HashMap;

use countersign_domain::challenge::ChallengeLifecycle;
use countersign_domain::sid::ChallengeSid;
use tokio_postgres::Row;

use crate::cells::Cells;
use crate::database::Session;
use crate::params::{column, id, params, span};
use crate::rows;
use crate::statement::{factor_of, living};
use crate::trouble::Trouble;

/// Whoever decides about a challenge holds its row, so that the next one sees what was decided.
pub(crate) const HOLD: &str = "SELECT sid FROM challenges WHERE sid = ANY($1) AND sid BETWEEN $2 AND $3 ORDER BY sid FOR NO KEY UPDATE";
/// A statement of its own after the first, since it sees what was committed before it began and not before that did.
const READ: &str = concat!(
    "SELECT c.sid, c.state, c.answered_at, c.expires_at, f.sid IS NOT NULL FROM challenges c",
    living!("c"),
    factor_of!("c", "factors" as "f"),
    "WHERE c.sid = ANY($1) AND c.sid BETWEEN $2 AND $3"
);

/// A challenge that is held until the end of the transaction.
pub(crate) struct Held {
    pub(crate) standing: ChallengeLifecycle,
    /// Whether its factor is still there.
    pub(crate) has_factor: bool,
}

/// Holds those challenges, as far as they are of living entities.
pub(crate) async fn hold(
    db: &Session,
    sids: impl Iterator<Item = ChallengeSid> + Send,
) -> Result<HashMap<ChallengeSid, Held>, Trouble> {
    let sids: Vec<_> = sids.collect();
    let sids = column(&sids, |sid| id(sid.as_bytes()));
    let (first, last) = span(&sids);
    let key = params![sids, first, last];
    let [_, found] = db.query_all([(HOLD, key), (READ, key)]).await?;
    found.iter().map(held).collect()
}

fn held(row: &Row) -> Result<(ChallengeSid, Held), Trouble> {
    let mut cells = Cells::of(row, "challenges");
    let sid = cells.make(ChallengeSid::from_bytes)?;
    let standing = rows::standing(&mut cells)?;
    Ok((sid, Held { standing, has_factor: cells.take()? }))
}
