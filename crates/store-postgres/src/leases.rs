//! Who works on a delivery. Every statement passes over rows that somebody else is just looking at, so that nodes do not
//! wait for each other, and takes no more than it was asked for.

use async_trait::async_trait;
use countersign_domain::delivery::{Delivery, Lease};
use countersign_domain::ending::Ending;
use countersign_domain::node::NodeId;
use countersign_domain::sid::{ChallengeSid, EntitySid, FactorSid, NotificationSid};
use countersign_domain::time::Instant;
use tokio_postgres::Row;

use crate::bounds::Hurry;
use crate::cells::Cells;
use crate::command::Command;
use crate::database::Session;
use crate::deliveries::{self, End, Open};
use crate::limit;
use crate::params::{id, params};
use crate::statement::all;
use crate::trouble::Trouble;

/// What a lease changes, and what its holder must know; last the order that it was taken in.
macro_rules! lease {
    ($order:literal) => {
        concat!(
            "UPDATE deliveries d SET state = 'leased', node = $3, wake_at = $4, written = false, changed_at = $5 \
             FROM taken WHERE d.challenge_sid = taken.challenge_sid AND d.notification_sid = taken.notification_sid \
             RETURNING d.notification_sid, d.challenge_sid, d.factor_sid, d.entity_sid, d.deadline, d.attempts, taken.",
            $order
        )
    };
}

/// Those due the longest first. One past its deadline is left for `expire`.
const DUE: &str = concat!(
    "WITH taken AS MATERIALIZED (SELECT challenge_sid, notification_sid, wake_at FROM deliveries \
     WHERE state = 'due' AND wake_at <= $1 AND deadline > $1 ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED) ",
    lease!("wake_at")
);
/// Of each challenge the newest. `$6` is the factor.
const PARKED: &str = concat!(
    "WITH newest AS MATERIALIZED (SELECT DISTINCT ON (challenge_sid) challenge_sid, notification_sid, deadline \
     FROM deliveries WHERE factor_sid = $6 AND state = 'parked' AND deadline > $1 \
     ORDER BY challenge_sid, ordinal DESC), \
     taken AS MATERIALIZED (SELECT p.challenge_sid, p.notification_sid, p.deadline FROM deliveries p \
     JOIN newest ON p.challenge_sid = newest.challenge_sid AND p.notification_sid = newest.notification_sid \
     WHERE p.state = 'parked' ORDER BY p.deadline LIMIT $2 FOR UPDATE OF p SKIP LOCKED) ",
    lease!("deadline")
);
/// Whatever the time is: that is for the command to judge.
pub(crate) const IS_PARKED: &str =
    "SELECT 1 FROM deliveries WHERE factor_sid = $1 AND state = 'parked' LIMIT 1";
pub(crate) const NEXT_DUE: &str =
    "SELECT wake_at FROM deliveries WHERE state = 'due' ORDER BY wake_at LIMIT 1";
const OVERDUE_PARKED: &str = "SELECT challenge_sid, notification_sid, ordinal, written, attempts, true FROM deliveries \
                              WHERE state = 'parked' AND wake_at <= $1 ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED";
const OVERDUE_DUE: &str = "SELECT challenge_sid, notification_sid, ordinal, written, attempts, false FROM deliveries \
                           WHERE state = 'due' AND deadline <= $1 ORDER BY deadline LIMIT $2 FOR UPDATE SKIP LOCKED";

/// Makes due again at `$1` what was taken.
macro_rules! free {
    ($which:literal) => {
        concat!(
            "WITH taken AS MATERIALIZED (SELECT challenge_sid, notification_sid FROM deliveries WHERE state = 'leased' ",
            $which,
            " LIMIT $2 FOR UPDATE SKIP LOCKED) UPDATE deliveries d SET state = 'due', node = NULL, \
             wake_at = least($1, d.deadline), written = false, changed_at = $1 FROM taken \
             WHERE d.challenge_sid = taken.challenge_sid AND d.notification_sid = taken.notification_sid"
        )
    };
}
const RESCUE: &str = free!("AND wake_at <= $1 ORDER BY wake_at");
const VOID: &str = free!("AND node <> $3");

/// Seven cells, the last of them for the order.
fn delivery(row: &Row) -> Result<(i64, Delivery), Trouble> {
    let mut cells = Cells::of(row, "deliveries");
    let delivery = Delivery {
        notification: cells.make(NotificationSid::from_bytes)?,
        challenge: cells.make(ChallengeSid::from_bytes)?,
        factor: cells.make(FactorSid::from_bytes)?,
        entity: cells.make(EntitySid::from_bytes)?,
        deadline: cells.make(Instant::from_micros)?,
        attempts: cells.take()?,
        once: false,
    };
    Ok((cells.take()?, delivery))
}

/// Leases what is due or, of one factor, what is parked.
pub(crate) struct TakeLeases {
    pub(crate) parked_for: Option<FactorSid>,
    pub(crate) node: NodeId,
    pub(crate) now: Instant,
    pub(crate) until: Instant,
    pub(crate) most: usize,
}

#[async_trait]
impl Command for TakeLeases {
    type Answer = Vec<Lease>;
    const HURRY: Hurry = Hurry::Duty;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.now, self.now))
    }

    async fn run(&self, db: &Session) -> Result<Vec<Lease>, Trouble> {
        let Self { parked_for, node, now, until, most } = *self;
        let (now, most) = (now.as_micros(), limit(most));
        let (holder, end) = (id(&node.0), until.as_micros());
        let mut found = match parked_for {
            None => all(db, DUE, params![now, most, holder, end, now], delivery).await?,
            Some(factor) => {
                let asked = params![now, most, holder, end, now, id(factor.as_bytes())];
                all(db, PARKED, asked, delivery).await?
            }
        };
        found.sort_by_key(|(order, _)| *order);
        Ok(found.into_iter().map(|(_, delivery)| Lease { delivery, node, until }).collect())
    }
}

/// One that waited until its deadline, and how it ends.
fn overdue(row: &Row) -> Result<(Open, Ending), Trouble> {
    let mut cells = Cells::of(row, "deliveries");
    let open = Open::take(&mut cells)?;
    let (attempts, waited_for_device) = (cells.take()?, cells.take()?);
    Ok((open, Ending::overdue(waited_for_device, attempts)))
}

/// Ends what is overdue.
pub(crate) struct Expire(pub(crate) Instant, pub(crate) usize);

#[async_trait]
impl Command for Expire {
    type Answer = usize;
    const HURRY: Hurry = Hurry::Duty;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.0, self.0))
    }

    async fn run(&self, db: &Session) -> Result<usize, Trouble> {
        let Self(at, most) = *self;
        let mut ended = 0;
        for sql in [OVERDUE_PARKED, OVERDUE_DUE] {
            let asked = params![at.as_micros(), limit(most - ended)];
            let overdue = all(db, sql, asked, overdue).await?;
            ended += overdue.len();
            let end = |(open, ending)| End { open, ending, at };
            deliveries::end(db, &overdue.into_iter().map(end).collect::<Vec<_>>()).await?;
        }
        Ok(ended)
    }
}

/// Frees what was leased and not settled in time.
pub(crate) struct Rescue(pub(crate) Instant, pub(crate) usize);

#[async_trait]
impl Command for Rescue {
    type Answer = usize;
    const HURRY: Hurry = Hurry::Duty;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.0, self.0))
    }

    async fn run(&self, db: &Session) -> Result<usize, Trouble> {
        db.execute(RESCUE, params![self.0.as_micros(), limit(self.1)]).await
    }
}

/// Frees what other nodes hold.
pub(crate) struct VoidLeases(pub(crate) NodeId, pub(crate) Instant, pub(crate) usize);

#[async_trait]
impl Command for VoidLeases {
    type Answer = usize;
    const HURRY: Hurry = Hurry::Duty;

    async fn run(&self, db: &Session) -> Result<usize, Trouble> {
        let Self(node, now, most) = self;
        db.execute(VOID, params![now.as_micros(), limit(*most), id(&node.0)]).await
    }
}
