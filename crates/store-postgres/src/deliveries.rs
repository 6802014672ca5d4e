//! Deliveries: what is still to be done. How they are leased is written in [`crate::leases`], what became of leased ones in
//! [`crate::settle`].

use std::collections::HashMap;

use async_trait::async_trait;
use countersign_domain::delivery::Lease;
use countersign_domain::ending::Ending;
use countersign_domain::node::NodeId;
use countersign_domain::prospect::Prospect;
use countersign_domain::settled::Settled;
use countersign_domain::sid::{ChallengeSid, FactorSid, NotificationSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Deliveries, Settlement};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::cells::Cells;
use crate::database::Session;
use crate::events::Ended;
use crate::leases::{Expire, IS_PARKED, NEXT_DUE, Rescue, TakeLeases, VoidLeases};
use crate::notifications::ending_cells;
use crate::params::{column, id, params, span};
use crate::statement::{all, exists, one};
use crate::trouble::Trouble;
use crate::{PostgresStore, events, prospect, settle};

const DELETE: &str = "DELETE FROM deliveries d USING unnest($1, $2) AS u (challenge_sid, notification_sid) \
                      WHERE d.challenge_sid = u.challenge_sid AND d.notification_sid = u.notification_sid \
                      AND d.challenge_sid = ANY ($1)";
/// An ending is final, but for the one step from `sent` to `delivered`.
const CLOSE: &str = "UPDATE notifications n SET ending = u.ending, reason = u.reason, code = u.code, updated_at = u.at, \
                     attempts = n.attempts || u.line FROM unnest($1, $2, $3, $4, $5, $6, $7) \
                     AS u (challenge_sid, ordinal, ending, reason, code, at, line) \
                     WHERE n.challenge_sid = u.challenge_sid AND n.ordinal = u.ordinal AND n.challenge_sid = ANY ($1) \
                     AND n.challenge_sid BETWEEN $8 AND $9 \
                     AND (n.ending IS NULL OR (n.ending = 'sent' AND u.ending = 'delivered')) \
                     RETURNING n.challenge_sid, n.ordinal, n.sid";
const OF_CHALLENGES: &str = "SELECT challenge_sid, notification_sid, ordinal, written FROM deliveries \
                             WHERE challenge_sid = ANY($1) ORDER BY challenge_sid, notification_sid FOR UPDATE";

/// A delivery that is about to end, whoever holds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    pub(crate) challenge: ChallengeSid,
    pub(crate) notification: NotificationSid,
    pub(crate) ordinal: i64,
    /// To the device's stream, and not acknowledged.
    pub(crate) written: bool,
}

impl Open {
    /// From four cells.
    pub(crate) fn read(row: &Row) -> Result<Self, Trouble> {
        Self::take(&mut Cells::of(row, "deliveries"))
    }

    pub(crate) fn take(cells: &mut Cells<'_>) -> Result<Self, Trouble> {
        Ok(Self {
            challenge: cells.make(ChallengeSid::from_bytes)?,
            notification: cells.make(NotificationSid::from_bytes)?,
            ordinal: cells.take()?,
            written: cells.take()?,
        })
    }
}

/// How it ends.
pub(crate) struct End {
    pub(crate) open: Open,
    pub(crate) ending: Ending,
    pub(crate) at: Instant,
}

/// The rows go, and their notifications say how they ended.
pub(crate) async fn end(db: &Session, ends: &[End]) -> Result<(), Trouble> {
    if ends.is_empty() {
        return Ok(());
    }
    let keys = column(ends, |end| (end.open.challenge, end.open.notification));
    delete(db, &keys).await?;
    let close = |end: &End| Close {
        challenge: end.open.challenge,
        ordinal: end.open.ordinal,
        ending: end.ending,
        line: "",
        at: end.at,
    };
    close_all(db, &column(ends, close)).await.map(|_| ())
}

/// Removes the rows of deliveries.
pub(crate) async fn delete(
    db: &Session,
    keys: &[(ChallengeSid, NotificationSid)],
) -> Result<(), Trouble> {
    if keys.is_empty() {
        return Ok(());
    }
    let challenges = column(keys, |(challenge, _)| id(challenge.as_bytes()));
    let notifications = column(keys, |(_, notification)| id(notification.as_bytes()));
    db.execute(DELETE, params![challenges, notifications]).await.map(|_| ())
}

/// How a notification ends.
pub(crate) struct Close<'a> {
    pub(crate) challenge: ChallengeSid,
    pub(crate) ordinal: i64,
    pub(crate) ending: Ending,
    /// The record of the last attempt, if there is one.
    pub(crate) line: &'a str,
    pub(crate) at: Instant,
}

/// Writes how notifications ended, and tells of it; those that could still end so, by challenge and ordinal.
pub(crate) async fn close_all(
    db: &Session,
    ends: &[Close<'_>],
) -> Result<Vec<(ChallengeSid, i64)>, Trouble> {
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    let cells = column(ends, |end| ending_cells(Some(end.ending)));
    let challenges = column(ends, |end| id(end.challenge.as_bytes()));
    let (first, last) = span(&challenges);
    let params = params![
        challenges,
        column(ends, |end| end.ordinal),
        column(&cells, |cells| cells.0),
        column(&cells, |cells| cells.1),
        column(&cells, |cells| cells.2),
        column(ends, |end| end.at.as_micros()),
        column(ends, |end| end.line),
        first,
        last,
    ];
    let closed = all(db, CLOSE, params, |row| {
        let mut cells = Cells::of(row, "notifications");
        let key = (cells.make(ChallengeSid::from_bytes)?, cells.take::<i64>()?);
        Ok((key, cells.make(NotificationSid::from_bytes)?))
    });
    let closed: HashMap<_, _> = closed.await?.into_iter().collect();
    let ended = |end: &Close<'_>| {
        let sid = *closed.get(&(end.challenge, end.ordinal))?;
        Some(Ended { challenge: end.challenge, sid, ending: end.ending, at: end.at })
    };
    events::of_notifications(db, &ends.iter().filter_map(ended).collect::<Vec<_>>()).await?;
    Ok(closed.into_keys().collect())
}

/// What is still to be done for challenges, held until the end of the transaction.
pub(crate) async fn of_challenges(
    db: &Session,
    challenges: impl Iterator<Item = ChallengeSid> + Send,
) -> Result<Vec<Open>, Trouble> {
    let challenges: Vec<Uuid> = challenges.map(|sid| id(sid.as_bytes())).collect();
    all(db, OF_CHALLENGES, params![challenges], Open::read).await
}

#[async_trait]
impl Deliveries for PostgresStore {
    async fn lease_due(
        &self,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> StoreResult<Vec<Lease>> {
        let parked_for = None;
        self.write(TakeLeases { parked_for, node, now, until, most }).await
    }

    async fn lease_parked(
        &self,
        factor: FactorSid,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> StoreResult<Vec<Lease>> {
        // nearly every device that connects has missed nothing, and then nothing is written
        let anything = {
            let db = self.session().await?;
            exists(&db, IS_PARKED, params![id(factor.as_bytes())]).await?
        };
        if !anything {
            return Ok(Vec::new());
        }
        let parked_for = Some(factor);
        self.write(TakeLeases { parked_for, node, now, until, most }).await
    }

    async fn next_due(&self) -> StoreResult<Option<Instant>> {
        let db = self.session().await?;
        let read = |row: &Row| Cells::of(row, "deliveries").make(Instant::from_micros);
        Ok(one(&db, NEXT_DUE, &[], read).await?)
    }

    async fn prospects(&self, leases: &[Lease]) -> StoreResult<Vec<Prospect>> {
        let db = self.session().await?;
        Ok(prospect::read(&db, leases).await?)
    }

    async fn settle(&self, settled: &[Settled]) -> StoreResult<Settlement> {
        if settled.is_empty() {
            return Ok(Settlement::default());
        }
        self.write(settle::Settle::of(settled)?).await
    }

    async fn expire(&self, now: Instant, most: usize) -> StoreResult<usize> {
        self.write(Expire(now, most)).await
    }

    async fn rescue(&self, now: Instant, most: usize) -> StoreResult<usize> {
        self.write(Rescue(now, most)).await
    }

    async fn void_leases(&self, node: NodeId, now: Instant, most: usize) -> StoreResult<usize> {
        self.write(VoidLeases(node, now, most)).await
    }
}
