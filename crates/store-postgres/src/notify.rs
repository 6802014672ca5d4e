//! The command that stores a notification of a challenge. All that wait are judged and stored by one statement, which holds
//! their challenges and also says where these stand; the commit travels right behind it.

use std::collections::HashMap;

use async_trait::async_trait;
use countersign_domain::challenge::Standing;
use countersign_domain::delivery::NewNotification;
use countersign_domain::sid::ChallengeSid;
use countersign_store::seam::Notified;
use tokio_postgres::Row;

use crate::births::{Columns, birth_columns, insert_born};
use crate::cells::Cells;
use crate::database::Session;
use crate::gather::Gathered;
use crate::params::{column, params, span};
use crate::standing::{self, standing_columns};
use crate::statement::{factor_of, living};
use crate::trouble::Trouble;

/// Whoever decides about a challenge holds its row; where it stands is looked at once more if that had to be waited for. How
/// many notifications there are is not: if another one came meanwhile, its ordinal is taken, and all is done once more.
///
/// The ordinals begin with 1, so the greatest is how many explicit notifications there are: a seek, whatever there is.
/// `born` are those that fulfil what the seam asks; of the others [`Notify::refusal`] tells which condition failed first.
const NOTIFY: &str = concat!(
    "WITH asked AS (SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
     AS u (",
    birth_columns!(),
    ", platform, most)), standing AS (SELECT ",
    standing_columns!(),
    ", CASE WHEN f.platform = 'stream' OR f.platform <> 'none' AND f.token IS NOT NULL THEN f.platform END AS reached_by, \
     coalesce((SELECT max(n.ordinal) FROM notifications n WHERE n.challenge_sid = c.sid \
     AND n.challenge_sid BETWEEN $18 AND $19), 0) AS have FROM challenges c",
    living!("c"),
    factor_of!("c", "factors" as "f"),
    "WHERE c.sid = ANY($1) AND c.sid BETWEEN $18 AND $19 ORDER BY c.sid FOR NO KEY UPDATE OF c), \
     born AS (SELECT asked.*, standing.have + 1 AS ordinal FROM asked JOIN standing ON standing.sid = asked.challenge_sid \
     WHERE standing.state = 'pending' AND asked.created_at < standing.expires_at \
     AND standing.reached_by = asked.platform AND (asked.most = 0 OR standing.have < asked.most))",
    insert_born!(),
    "SELECT standing.sid, standing.state, standing.answered_at, standing.expires_at, standing.reached_by, \
     born.ordinal IS NOT NULL FROM standing LEFT JOIN born ON born.challenge_sid = standing.sid"
);

/// Stores a notification, below a limit.
#[derive(Clone, Copy)]
pub(crate) struct Notify {
    /// With its delivery.
    pub(crate) new: NewNotification,
    /// Of a challenge; 0: no limit.
    pub(crate) most: u32,
}

impl Notify {
    fn outcome(&self, found: Option<&Found>) -> Notified {
        match found {
            None => Notified::Gone,
            Some(found) if found.is_stored => Notified::Done(None),
            Some(found) => self.refusal(found),
        }
    }

    fn refusal(&self, found: &Found) -> Notified {
        if let Err(refused) = found.standing.is_open(self.new.created_at) {
            Notified::Refused(refused)
        } else if found.reached_by.as_deref() != Some(self.new.platform.as_str()) {
            Notified::Moved
        } else {
            Notified::TooMany
        }
    }
}

/// A challenge that is there.
struct Found {
    standing: Standing,
    /// The platform by which its factor is reached.
    reached_by: Option<String>,
    is_stored: bool,
}

impl Found {
    fn read(row: &Row) -> Result<(ChallengeSid, Self), Trouble> {
        let mut cells = Cells::of(row, "challenges");
        let (sid, standing) = standing::read(&mut cells)?;
        let mut cells = cells.then("factors");
        Ok((sid, Self { standing, reached_by: cells.take()?, is_stored: cells.take()? }))
    }
}

#[async_trait]
impl Gathered for Notify {
    type Answer = Notified;

    fn key(&self) -> [u8; 16] {
        *self.new.delivery.challenge.as_bytes()
    }

    async fn run_all(all: &[Self], db: &Session) -> Result<Vec<Notified>, Trouble> {
        let columns = Columns::of(&column(all, |notify| notify.new));
        let platforms = column(all, |notify| notify.new.platform.as_str());
        let most = column(all, |notify| i64::from(notify.most));
        let (first, last) = span(columns.challenges());
        let mut params = columns.params().to_vec();
        params.extend_from_slice(params![platforms, most, first, last]);
        let [found] = db.commit_with([(NOTIFY, &params)]).await?;
        let found = found.iter().map(Found::read).collect::<Result<HashMap<_, _>, _>>()?;
        let outcome = |notify: &Self| notify.outcome(found.get(&notify.new.delivery.challenge));
        Ok(all.iter().map(outcome).collect())
    }
}
