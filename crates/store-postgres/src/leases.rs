//! The commands that lease deliveries and end overdue ones. Every statement skips rows that another transaction has locked, so nodes do not
//! wait for each other.

use async_trait::async_trait;
use countersign_domain::delivery::{Delivery, Lease};
use countersign_domain::node::NodeId;
use countersign_domain::sid::FactorSid;
use countersign_domain::time::Instant;
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::rows::deliveries::{delivery, overdue};
use countersign_store_sql::values::limit;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::endings::{self, End};
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::all;
use crate::time_limits::TimeLimit;

/// Leases the rows of `taken`. Returns the delivery and, last, the column that it is ordered by.
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

/// Those due the longest first. `expire` handles those past their deadline.
const DUE: &str = concat!(
    "WITH taken AS MATERIALIZED (SELECT challenge_sid, notification_sid, wake_at FROM deliveries \
     WHERE state = 'due' AND wake_at <= $1 AND deadline > $1 ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED) ",
    lease!("wake_at")
);
/// The newest of each challenge; `$6` is the factor.
const PARKED: &str = concat!(
    "WITH newest AS MATERIALIZED (SELECT DISTINCT ON (challenge_sid) challenge_sid, notification_sid, deadline \
     FROM deliveries WHERE factor_sid = $6 AND state = 'parked' AND deadline > $1 \
     ORDER BY challenge_sid, ordinal DESC), \
     taken AS MATERIALIZED (SELECT p.challenge_sid, p.notification_sid, p.deadline FROM deliveries p \
     JOIN newest ON p.challenge_sid = newest.challenge_sid AND p.notification_sid = newest.notification_sid \
     WHERE p.state = 'parked' ORDER BY p.deadline LIMIT $2 FOR UPDATE OF p SKIP LOCKED) ",
    lease!("deadline")
);
/// Whether a factor has parked deliveries; the command judges their deadline.
pub(crate) const IS_PARKED: &str =
    "SELECT 1 FROM deliveries WHERE factor_sid = $1 AND state = 'parked' LIMIT 1";
pub(crate) const NEXT_DUE: &str =
    "SELECT wake_at FROM deliveries WHERE state = 'due' ORDER BY wake_at LIMIT 1";
const OVERDUE_PARKED: &str = "SELECT challenge_sid, notification_sid, ordinal, written, attempts, true FROM deliveries \
                              WHERE state = 'parked' AND wake_at <= $1 ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED";
const OVERDUE_DUE: &str = "SELECT challenge_sid, notification_sid, ordinal, written, attempts, false FROM deliveries \
                           WHERE state = 'due' AND deadline <= $1 ORDER BY deadline LIMIT $2 FOR UPDATE SKIP LOCKED";

/// Makes leased deliveries due at `$1`.
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

/// Reads a delivery and, last, the cell that it is ordered by.
fn delivery_in_order(row: &Row) -> RowResult<(i64, Delivery)> {
    let mut cells = cells_of(row, "deliveries");
    let delivery = delivery(&mut cells)?;
    Ok((cells.take()?, delivery))
}

/// Leases due deliveries or, of one factor, parked ones.
pub(crate) struct TakeLeases {
    pub(crate) parked_for: Option<FactorSid>,
    pub(crate) node: NodeId,
    pub(crate) now: Instant,
    pub(crate) until: Instant,
    pub(crate) most: usize,
}

#[async_trait]
impl Command for TakeLeases {
    type Output = Vec<Lease>;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.now, self.now))
    }

    async fn run(&self, db: &Session) -> Result<Vec<Lease>, DatabaseError> {
        let Self { parked_for, node, now, until, most } = *self;
        let (now, most) = (now.as_micros(), limit(most));
        let (holder, end) = (id(&node.0), until.as_micros());
        let mut found = match parked_for {
            None => all(db, DUE, params![now, most, holder, end, now], delivery_in_order).await?,
            Some(factor) => {
                let asked = params![now, most, holder, end, now, id(factor.as_bytes())];
                all(db, PARKED, asked, delivery_in_order).await?
            }
        };
        found.sort_by_key(|(order, _)| *order);
        Ok(found.into_iter().map(|(_, delivery)| Lease { delivery, node, until }).collect())
    }
}

/// Ends overdue deliveries.
pub(crate) struct Expire(pub(crate) Instant, pub(crate) usize);

#[async_trait]
impl Command for Expire {
    type Output = usize;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.0, self.0))
    }

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        let Self(at, most) = *self;
        let mut ended = 0;
        for sql in [OVERDUE_PARKED, OVERDUE_DUE] {
            let asked = params![at.as_micros(), limit(most - ended)];
            let found = all(db, sql, asked, |row| overdue(cells_of(row, "deliveries"))).await?;
            ended += found.len();
            let end = |(open, ending)| End { open, ending, at };
            endings::end(db, &found.into_iter().map(end).collect::<Vec<_>>()).await?;
        }
        Ok(ended)
    }
}

/// Makes due the deliveries whose lease has run out.
pub(crate) struct Rescue(pub(crate) Instant, pub(crate) usize);

#[async_trait]
impl Command for Rescue {
    type Output = usize;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.0, self.0))
    }

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        db.execute(RESCUE, params![self.0.as_micros(), limit(self.1)]).await
    }
}

/// Makes due the deliveries that other nodes have leased.
pub(crate) struct VoidLeases(pub(crate) NodeId, pub(crate) Instant, pub(crate) usize);

#[async_trait]
impl Command for VoidLeases {
    type Output = usize;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        let Self(node, now, most) = self;
        db.execute(VOID, params![now.as_micros(), limit(*most), id(&node.0)]).await
    }
}
