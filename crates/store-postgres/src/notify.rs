//! The command that stores a notification of a challenge. One statement judges and stores a batch: it locks the challenges, returns where
//! they stand and what an attempt must know, and is a transaction by itself.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use countersign_domain::challenge::ChallengeLifecycle;
use countersign_domain::delivery::NewNotification;
use countersign_domain::prospect::Prospect;
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_store::seam::Notified;
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::rows;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::clock::clocks_agree;
use crate::command::Planning;
use crate::error::DatabaseError;
use crate::gather::Gathered;
use crate::new_notifications::{NewColumns, insert_new, new_columns};
use crate::params::{column, id, params, span};
use crate::prospect::{self, prospect_columns};
use crate::session::Session;
use crate::standing;
use crate::statement::{factor_of, living};

/// The row of a challenge is locked before its state is judged, and read again if the lock had to be waited for. The number of
/// notifications is not read again: if another one was stored meanwhile, the ordinal is taken, and the statement runs once more.
///
/// The ordinals begin with 1, so the greatest is the number of explicit notifications, which takes one seek. `new` are the
/// notifications that meet all conditions of the seam; of the others, [`Notify::refusal`] finds the first condition that failed.
/// `$prospect` are more columns of the locked challenges.
macro_rules! notify {
    ($prospect:expr) => {
        concat!(
            "WITH asked AS (SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
             AS u (",
            new_columns!(),
            ", platform, most) WHERE ",
            clocks_agree!("$20", "$21"),
            "), standing AS (SELECT c.sid, c.state, c.answered_at, c.ended_by, c.expires_at, \
             CASE WHEN f.platform = 'stream' OR f.platform <> 'none' AND f.token IS NOT NULL THEN f.platform END \
             AS reached_by",
            $prospect,
            " FROM challenges c",
            living!("c"),
            factor_of!("c", "factors" as "f"),
            "WHERE c.sid = ANY($1) AND c.sid BETWEEN $18 AND $19 ORDER BY c.sid FOR NO KEY UPDATE OF c), \
             new AS (SELECT asked.*, before.most + 1 AS ordinal \
             FROM asked JOIN standing ON standing.sid = asked.challenge_sid \
             CROSS JOIN LATERAL (SELECT coalesce(max(ordinal), 0) AS most FROM notifications \
             WHERE challenge_sid = standing.sid AND challenge_sid BETWEEN $18 AND $19) AS before \
             WHERE standing.state = 'pending' AND asked.created_at < standing.expires_at \
             AND standing.reached_by = asked.platform AND (asked.most = 0 OR before.most < asked.most))",
            insert_new!(),
            "SELECT new.ordinal IS NOT NULL, standing.* \
             FROM standing LEFT JOIN new ON new.challenge_sid = standing.sid"
        )
    };
}
const NOTIFY: &str = notify!("");
/// For a batch with notifications whose attempt begins at once.
const NOTIFY_WITH_PROSPECT: &str = notify!(concat!(", ", prospect_columns!()));

/// The notifications of a batch that are stored. The lock of the challenge was waited for before, so no earlier transaction is in
/// progress.
const STORED: &str = "SELECT sid FROM notifications WHERE challenge_sid = ANY ($1) AND sid = ANY ($2) \
                      AND challenge_sid BETWEEN $3 AND $4";

/// Stores a notification, below a limit.
#[derive(Clone, Copy)]
pub(crate) struct Notify {
    /// The notification and its delivery.
    pub(crate) new: NewNotification,
    /// The most notifications of a challenge; 0: no limit.
    pub(crate) most: u32,
}

impl Notify {
    /// Whether its attempt begins at once.
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

/// A challenge that exists.
struct Found {
    is_stored: bool,
    standing: ChallengeLifecycle,
    /// The platform by which its factor is reached.
    reached_by: Option<String>,
    prospect: Option<Prospect>,
}

impl Found {
    fn read(row: &Row, with_prospect: bool) -> RowResult<(ChallengeSid, Self)> {
        let mut cells = cells_of(row, "challenges");
        let is_stored = cells.take()?;
        let sid = cells.map(ChallengeSid::from_bytes)?;
        let standing = rows::challenges::standing(&mut cells)?;
        let reached_by = cells.take()?;
        // A corrupt row does not fail the command, which has stored the notification: it is read again before the attempt.
        let prospect =
            if with_prospect { prospect::prospect_of(cells, standing.state).ok() } else { None };
        Ok((sid, Self { is_stored, standing, reached_by, prospect }))
    }
}

/// The instants between which the statement must arrive.
fn bounds(all: &[Notify], db: &Session) -> (i64, i64) {
    let times = || all.iter().map(|notify| notify.new.created_at);
    let times = times().min().zip(times().max());
    let bounds = db.tolerance.zip(times).map(|(tolerance, times)| tolerance.bounds(times));
    bounds.unwrap_or((i64::MIN, i64::MAX))
}

#[async_trait]
impl Gathered for Notify {
    type Output = Notified;
    const PLANNING: Planning = Planning::SingleStatement;

    fn key(&self) -> [u8; 16] {
        *self.new.delivery.challenge.as_bytes()
    }

    async fn run_all(all: &[Self], db: &Session) -> Result<Vec<Notified>, DatabaseError> {
        let columns = NewColumns::of(&column(all, |notify| notify.new));
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
        let with_prospect = all.iter().any(Self::begins);
        let sql = if with_prospect { NOTIFY_WITH_PROSPECT } else { NOTIFY };
        let [found] = db.commit_with([(sql, &params)]).await?;
        let read = |row| Found::read(row, with_prospect);
        let mut found = found.iter().map(read).collect::<Result<HashMap<_, _>, _>>()?;
        let outcome = |notify: &Self| notify.outcome(found.remove(&notify.new.delivery.challenge));
        Ok(all.iter().map(outcome).collect())
    }

    async fn look_up(
        all: &[Self],
        db: &Session,
    ) -> Result<Option<Vec<Option<Notified>>>, DatabaseError> {
        let challenges = column(all, |notify| id(notify.new.delivery.challenge.as_bytes()));
        let sids = column(all, |notify| id(notify.new.delivery.notification.as_bytes()));
        let (first, last) = span(&challenges);
        let [_, found] = db
            .query_all([
                (standing::LOCK, params![challenges, first, last]),
                (STORED, params![challenges, sids, first, last]),
            ])
            .await?;
        let sid = |row| cells_of(row, "notifications").map(NotificationSid::from_bytes);
        let found = found.iter().map(sid).collect::<Result<HashSet<_>, _>>()?;
        let answer = |notify: &Self| {
            found.contains(&notify.new.delivery.notification).then_some(Notified::Done(None))
        };
        Ok(Some(column(all, answer)))
    }
}
