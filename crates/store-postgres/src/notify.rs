//! The command that stores a notification of a challenge. All that wait are judged and stored by one statement, which holds
//! their challenges, says where these stand and what an attempt must know, and is a transaction by itself.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use countersign_domain::challenge::ChallengeLifecycle;
use countersign_domain::delivery::NewNotification;
use countersign_domain::prospect::Prospect;
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_store::seam::Notified;
use tokio_postgres::Row;

use crate::births::{Columns, birth_columns, insert_born};
use crate::cells::Cells;
use crate::clock::clocks_agree;
use crate::command::Runs;
use crate::database::Session;
use crate::gather::Gathered;
use crate::params::{column, id, params, span};
use crate::prospect::{self, told_columns};
use crate::statement::{factor_of, living};
use crate::trouble::Trouble;
use crate::{rows, standing};

/// Whoever decides about a challenge holds its row; where it stands is looked at once more if that had to be waited for. How
/// many notifications there are is not: if another one came meanwhile, its ordinal is taken, and all is done once more.
///
/// The ordinals begin with 1, so the greatest is how many explicit notifications there are: a seek, whatever there is.
/// `born` are those that fulfil what the seam asks; of the others [`Notify::refusal`] tells which condition failed first.
/// `$told` are more columns of what is held.
macro_rules! notify {
    ($told:expr) => {
        concat!(
            "WITH asked AS (SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
             AS u (",
            birth_columns!(),
            ", platform, most) WHERE ",
            clocks_agree!("$20", "$21"),
            "), standing AS (SELECT c.sid, c.state, c.answered_at, c.expires_at, \
             CASE WHEN f.platform = 'stream' OR f.platform <> 'none' AND f.token IS NOT NULL THEN f.platform END \
             AS reached_by",
            $told,
            " FROM challenges c",
            living!("c"),
            factor_of!("c", "factors" as "f"),
            "WHERE c.sid = ANY($1) AND c.sid BETWEEN $18 AND $19 ORDER BY c.sid FOR NO KEY UPDATE OF c), \
             born AS (SELECT asked.*, before.most + 1 AS ordinal \
             FROM asked JOIN standing ON standing.sid = asked.challenge_sid \
             CROSS JOIN LATERAL (SELECT coalesce(max(ordinal), 0) AS most FROM notifications \
             WHERE challenge_sid = standing.sid AND challenge_sid BETWEEN $18 AND $19) AS before \
             WHERE standing.state = 'pending' AND asked.created_at < standing.expires_at \
             AND standing.reached_by = asked.platform AND (asked.most = 0 OR before.most < asked.most))",
            insert_born!(),
            "SELECT born.ordinal IS NOT NULL, standing.* \
             FROM standing LEFT JOIN born ON born.challenge_sid = standing.sid"
        )
    };
}
const NOTIFY: &str = notify!("");
/// For some whose attempt begins at once.
const NOTIFY_AND_TELL: &str = notify!(concat!(", ", told_columns!()));

/// The notifications of a batch that are stored. An earlier transaction still under way holds the challenge's lock, which was
/// waited for before.
const STORED: &str = "SELECT sid FROM notifications WHERE challenge_sid = ANY ($1) AND sid = ANY ($2) \
                      AND challenge_sid BETWEEN $3 AND $4";

/// Stores a notification, below a limit.
#[derive(Clone, Copy)]
pub(crate) struct Notify {
    /// With its delivery.
    pub(crate) new: NewNotification,
    /// Of a challenge; 0: no limit.
    pub(crate) most: u32,
}

impl Notify {
    /// Whether an attempt begins at once.
    fn begins(&self) -> bool {
        self.new.lease().is_some()
    }

    fn outcome(&self, found: Option<Found>) -> Notified {
        match found {
            None => Notified::NotFound,
            Some(found) if found.is_stored => {
                Notified::Done(found.prospect.filter(|_| self.begins()))
            }
            Some(found) => self.refusal(&found),
        }
    }

    fn refusal(&self, found: &Found) -> Notified {
        if let Err(refused) = found.standing.is_open(self.new.created_at) {
            Notified::Refused(refused)
        } else if found.reached_by.as_deref() != Some(self.new.platform.as_str()) {
            Notified::PlatformChanged
        } else {
            Notified::TooMany
        }
    }
}

/// A challenge that is there.
struct Found {
    is_stored: bool,
    standing: ChallengeLifecycle,
    /// The platform by which its factor is reached.
    reached_by: Option<String>,
    prospect: Option<Prospect>,
}

impl Found {
    fn read(row: &Row, tells: bool) -> Result<(ChallengeSid, Self), Trouble> {
        let mut cells = Cells::of(row, "challenges");
        let is_stored = cells.take()?;
        let sid = cells.make(ChallengeSid::from_bytes)?;
        let standing = rows::standing(&mut cells)?;
        let reached_by = cells.take()?;
        // What cannot be read is read once more before the attempt, which says what is wrong: here all is stored already.
        let prospect = if tells { prospect::told(cells, standing.state).ok() } else { None };
        Ok((sid, Self { is_stored, standing, reached_by, prospect }))
    }
}

/// Between which instants the statement must arrive.
fn bounds(all: &[Notify], db: &Session) -> (i64, i64) {
    let times = || all.iter().map(|notify| notify.new.created_at);
    let times = times().min().zip(times().max());
    let bounds = db.tolerance.zip(times).map(|(tolerance, times)| tolerance.bounds(times));
    bounds.unwrap_or((i64::MIN, i64::MAX))
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
        let (arrives_after, arrives_before) = bounds(all, db);
        params.extend_from_slice(params![
            platforms,
            most,
            first,
            last,
            arrives_after,
            arrives_before
        ]);
        let tells = all.iter().any(Self::begins);
        let sql = if tells { NOTIFY_AND_TELL } else { NOTIFY };
        let [found] = db.commit_with([(sql, &params)]).await?;
        let read = |row| Found::read(row, tells);
        let mut found = found.iter().map(read).collect::<Result<HashMap<_, _>, _>>()?;
        let outcome = |notify: &Self| notify.outcome(found.remove(&notify.new.delivery.challenge));
        Ok(all.iter().map(outcome).collect())
    }
    async fn look_again(
        all: &[Self],
        db: &Session,
    ) -> Result<Option<Vec<Option<Notified>>>, Trouble> {
        let challenges = column(all, |notify| id(notify.new.delivery.challenge.as_bytes()));
        let sids = column(all, |notify| id(notify.new.delivery.notification.as_bytes()));
        let (first, last) = span(&challenges);
        let [_, found] = db
            .query_all([
                (standing::HOLD, params![challenges, first, last]),
                (STORED, params![challenges, sids, first, last]),
            ])
            .await?;
        let sid = |row| Cells::of(row, "notifications").make(NotificationSid::from_bytes);
        let found = found.iter().map(sid).collect::<Result<HashSet<_>, _>>()?;
        let answer = |notify: &Self| {
            found.contains(&notify.new.delivery.notification).then_some(Notified::Done(None))
        };
        Ok(Some(column(all, answer)))
    }
}
