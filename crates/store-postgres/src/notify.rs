//! The command that stores a notification of a challenge. All that wait are judged and stored by one statement, which holds
//! their challenges, says where these stand and what an attempt must know, and is a transaction by itself.

use std::collections::HashMap;

use async_trait::async_trait;
use countersign_domain::address::Address;
use countersign_domain::delivery::NewNotification;
use countersign_domain::sid::ChallengeSid;
use countersign_store::seam::Notified;
use tokio_postgres::Row;

use crate::births::{Columns, birth_columns, insert_born};
use crate::cells::Cells;
use crate::database::{Runs, Session};
use crate::gather::Gathered;
use crate::params::{column, params, span};
use crate::prospect::{Outlook, outlook_columns};
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
    ", platform, most)), outlook AS (SELECT c.sid, ",
    outlook_columns!(),
    " FROM challenges c",
    living!("c"),
    factor_of!("c", "factors" as "f"),
    "WHERE c.sid = ANY($1) AND c.sid BETWEEN $18 AND $19 ORDER BY c.sid FOR NO KEY UPDATE OF c), \
     born AS (SELECT asked.*, before.most + 1 AS ordinal FROM asked JOIN outlook o ON o.sid = asked.challenge_sid \
     CROSS JOIN LATERAL (SELECT coalesce(max(ordinal), 0) AS most FROM notifications \
     WHERE challenge_sid = o.sid AND challenge_sid BETWEEN $18 AND $19) AS before \
     WHERE o.state = 'pending' AND asked.created_at < o.expires_at \
     AND o.platform = asked.platform AND (o.platform = 'stream' OR o.platform <> 'none' AND o.token IS NOT NULL) \
     AND (asked.most = 0 OR before.most < asked.most))",
    insert_born!(),
    "SELECT born.ordinal IS NOT NULL, outlook.* FROM outlook LEFT JOIN born ON born.challenge_sid = outlook.sid"
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
    fn outcome(&self, found: Option<Found>) -> Notified {
        match found {
            None => Notified::Gone,
            Some(found) if found.is_stored => {
                let begins = self.new.lease().is_some();
                Notified::Done(begins.then(|| found.outlook.prospect()))
            }
            Some(found) => self.refusal(&found.outlook),
        }
    }

    fn refusal(&self, outlook: &Outlook) -> Notified {
        let reached =
            |address: &Address| address.can_be_reached() && address.platform() == self.new.platform;
        if let Err(refused) = outlook.standing.is_open(self.new.created_at) {
            Notified::Refused(refused)
        } else if !outlook.target.as_ref().is_some_and(|target| reached(&target.address)) {
            Notified::Moved
        } else {
            Notified::TooMany
        }
    }
}

/// A challenge that is there.
struct Found {
    is_stored: bool,
    outlook: Outlook,
}

impl Found {
    fn read(row: &Row) -> Result<(ChallengeSid, Self), Trouble> {
        let mut cells = Cells::of(row, "challenges");
        let is_stored = cells.take()?;
        let sid = cells.make(ChallengeSid::from_bytes)?;
        Ok((sid, Self { is_stored, outlook: Outlook::read(cells)? }))
    }
}

#[async_trait]
impl Gathered for Notify {
    type Answer = Notified;
    const RUN: Runs = Runs::Alone;

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
        let mut found = found.iter().map(Found::read).collect::<Result<HashMap<_, _>, _>>()?;
        let outcome = |notify: &Self| notify.outcome(found.remove(&notify.new.delivery.challenge));
        Ok(all.iter().map(outcome).collect())
    }
}
