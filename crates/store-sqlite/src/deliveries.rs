//! Deliveries: who works on them.

use async_trait::async_trait;
use countersign_domain::delivery::Lease;
use countersign_domain::node::NodeId;
use countersign_domain::prospect::Prospect;
use countersign_domain::settled::Settled;
use countersign_domain::sid::FactorSid;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Deliveries, Settlement};
use countersign_store_sql::rows::deliveries::{delivery, overdue};
use countersign_store_sql::values::limit;
use rusqlite::{Connection, Row, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::parked::{first_open, parked_of};
use crate::statement::{all, execute, exists, one, statements};
use crate::store::SqliteStore;
use crate::{endings, prospect, settle};

/// The parked deliveries of the factor `?1`.
macro_rules! parked_of_factor {
    () => {
        parked_of!("(SELECT entity_sid FROM factors WHERE sid = ?1)")
    };
}

statements! {
    /// Those due the longest first. `expire` handles those past their deadline.
    DUE = "SELECT notification_sid, challenge_sid, factor_sid, entity_sid, deadline, attempts FROM deliveries \
           WHERE state = 'due' AND wake_at <= ?1 AND deadline > ?1 ORDER BY wake_at LIMIT ?2";
    /// SQLite takes the other cells from the row that has the `max`: the newest of its challenge.
    PARKED = concat!(
        "SELECT d.notification_sid, d.challenge_sid, d.factor_sid, d.entity_sid, d.deadline, d.attempts, max(d.ordinal) ",
        parked_of_factor!(),
        " AND d.deadline > ?3 GROUP BY c.sid ORDER BY d.deadline LIMIT ?4"
    );
    IS_PARKED = concat!("SELECT 1 ", parked_of_factor!(), " AND d.deadline > ?3");
    LEASE = "UPDATE deliveries SET state = 'leased', node = ?3, wake_at = ?4, written = false, changed_at = ?5 \
             WHERE challenge_sid = ?1 AND notification_sid = ?2";
    NEXT_DUE = "SELECT wake_at FROM deliveries WHERE state = 'due' ORDER BY wake_at LIMIT 1";
    OVERDUE_PARKED = "SELECT challenge_sid, notification_sid, ordinal, written, attempts, true FROM deliveries \
                      WHERE state = 'parked' AND wake_at <= ?1 ORDER BY wake_at LIMIT ?2";
    /// By a separate index, since a long queue of due deliveries may hold few that are overdue.
    OVERDUE_DUE = "SELECT challenge_sid, notification_sid, ordinal, written, attempts, false FROM deliveries \
                   INDEXED BY deliveries_overdue WHERE state = 'due' AND deadline <= ?1 ORDER BY deadline LIMIT ?2";
    RESCUE = "UPDATE deliveries SET state = 'due', node = NULL, wake_at = min(?1, deadline), written = false, \
              changed_at = ?1 WHERE (challenge_sid, notification_sid) IN (SELECT challenge_sid, notification_sid \
              FROM deliveries WHERE state = 'leased' AND wake_at <= ?1 ORDER BY wake_at LIMIT ?2)";
    VOID = "UPDATE deliveries SET state = 'due', node = NULL, wake_at = min(?1, deadline), written = false, \
            changed_at = ?1 WHERE (challenge_sid, notification_sid) IN (SELECT challenge_sid, notification_sid \
            FROM deliveries WHERE state = 'leased' AND node <> ?3 LIMIT ?2)";
}

/// Leases due deliveries or, of one factor, parked ones.
struct TakeLeases {
    parked_for: Option<FactorSid>,
    node: NodeId,
    now: Instant,
    until: Instant,
    most: usize,
}

impl Command for TakeLeases {
    type Output = Vec<Lease>;

    fn run(&self, db: &Connection) -> Result<Vec<Lease>, DatabaseError> {
        let (now, most) = (self.now.as_micros(), limit(self.most));
        let read = |row: &Row<'_>| delivery(&mut cells_of(row, "deliveries"));
        let found = match self.parked_for {
            Some(factor) => {
                let first = first_open(self.now);
                all(db, PARKED, params![factor.as_bytes(), first.as_bytes(), now, most], read)
            }
            None => all(db, DUE, params![now, most], read),
        }?;
        for delivery in &found {
            execute(
                db,
                LEASE,
                params![
                    delivery.challenge.as_bytes(),
                    delivery.notification.as_bytes(),
                    self.node.0,
                    self.until.as_micros(),
                    now,
                ],
            )?;
        }
        let lease = |delivery| Lease { delivery, node: self.node, until: self.until };
        Ok(found.into_iter().map(lease).collect())
    }
}

struct Expire(Instant, usize);

impl Command for Expire {
    type Output = usize;

    fn run(&self, db: &Connection) -> Result<usize, DatabaseError> {
        let Self(now, most) = *self;
        let mut ended = 0;
        for sql in [OVERDUE_PARKED, OVERDUE_DUE] {
            let params = params![now.as_micros(), limit(most - ended)];
            let found = all(db, sql, params, |row| overdue(cells_of(row, "deliveries")))?;
            for (open, ending) in &found {
                endings::end(db, open, *ending, now)?;
            }
            ended += found.len();
        }
        Ok(ended)
    }
}

struct Rescue(Instant, usize);

impl Command for Rescue {
    type Output = usize;

    fn run(&self, db: &Connection) -> Result<usize, DatabaseError> {
        execute(db, RESCUE, params![self.0.as_micros(), limit(self.1)])
    }
}

struct VoidLeases(NodeId, Instant, usize);

impl Command for VoidLeases {
    type Output = usize;

    fn run(&self, db: &Connection) -> Result<usize, DatabaseError> {
        let Self(NodeId(node), now, most) = self;
        execute(db, VOID, params![now.as_micros(), limit(*most), node])
    }
}

#[async_trait]
impl Deliveries for SqliteStore {
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
        // Most devices that connect have nothing parked; then no command is queued.
        let anything = self.read(|db| {
            let first = first_open(now);
            let key = params![factor.as_bytes(), first.as_bytes(), now.as_micros()];
            exists(db, IS_PARKED, key)
        })?;
        if !anything {
            return Ok(Vec::new());
        }
        let parked_for = Some(factor);
        self.write(TakeLeases { parked_for, node, now, until, most }).await
    }

    async fn next_due(&self) -> StoreResult<Option<Instant>> {
        self.read(|db| {
            one(db, NEXT_DUE, (), |row| cells_of(row, "deliveries").map(Instant::from_micros))
        })
    }

    async fn prospects(&self, leases: &[Lease]) -> StoreResult<Vec<Prospect>> {
        self.read(|db| prospect::read(db, leases))
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
