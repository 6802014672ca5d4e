//! Where challenges stand: what everything that is done to one is judged by.

use std::collections::HashMap;

use countersign_domain::address::Address;
use countersign_domain::challenge::{CannotAnswer, ChallengeState};
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use tokio_postgres::Row;

use crate::cells::Cells;
use crate::database::Session;
use crate::params::{column, id, params, span};
use crate::rows;
use crate::statement::{factor_of, living};
use crate::trouble::Trouble;

/// Whoever decides about a challenge holds its row, so that the next one sees what was decided.
const HOLD: &str = "SELECT sid FROM challenges WHERE sid = ANY($1) AND sid BETWEEN $2 AND $3 ORDER BY sid FOR NO KEY UPDATE";
/// A statement of its own after the first, since it sees what was committed before it began and not before that did. The
/// ordinals begin with 1, so the greatest is how many explicit notifications there are: a seek, whatever there is.
const READ: &str = concat!(
    "SELECT c.sid, c.state, c.answered_at, c.expires_at, ",
    "(SELECT max(n.ordinal) FROM notifications n WHERE n.challenge_sid = c.sid AND n.challenge_sid BETWEEN $2 AND $3), ",
    "f.platform, f.token ",
    "FROM challenges c",
    living!("c"),
    factor_of!("c", "factors" as "f"),
    "WHERE c.sid = ANY($1) AND c.sid BETWEEN $2 AND $3"
);

/// What a challenge is judged by.
pub(crate) struct Standing {
    state: ChallengeState,
    expires_at: Instant,
    /// The greatest ordinal of a notification.
    pub(crate) last_ordinal: i64,
    /// Where its factor is reached; `None` if that is gone.
    pub(crate) address: Option<Address>,
}

impl Standing {
    /// As [`countersign_domain::challenge::Challenge::is_open`] judges it.
    pub(crate) fn is_open(&self, at: Instant) -> Result<(), CannotAnswer> {
        match self.state {
            ChallengeState::Pending if at < self.expires_at => Ok(()),
            ChallengeState::Pending => Err(CannotAnswer::Expired),
            ChallengeState::Answered { .. } => Err(CannotAnswer::AlreadyAnswered),
        }
    }
}

/// Where those challenges of living entities stand, held until the end of the transaction.
pub(crate) async fn hold(
    db: &Session,
    sids: impl Iterator<Item = ChallengeSid> + Send,
) -> Result<HashMap<ChallengeSid, Standing>, Trouble> {
    let sids: Vec<_> = sids.collect();
    let sids = column(&sids, |sid| id(sid.as_bytes()));
    let (first, last) = span(&sids);
    let key = params![sids, first, last];
    let [_, found] = db.query_all([(HOLD, key), (READ, key)]).await?;
    found.iter().map(standing).collect()
}

fn standing(row: &Row) -> Result<(ChallengeSid, Standing), Trouble> {
    let mut cells = Cells::of(row, "challenges");
    let sid = cells.make(ChallengeSid::from_bytes)?;
    let state = rows::challenge_state(&mut cells)?;
    let expires_at = cells.make(Instant::from_micros)?;
    let last_ordinal = cells.make(|last: Option<i64>| last.unwrap_or(0))?;
    let mut cells = cells.then("factors");
    let address = if cells.is_null() { None } else { Some(rows::address(&mut cells)?) };
    Ok((sid, Standing { state, expires_at, last_ordinal, address }))
}
