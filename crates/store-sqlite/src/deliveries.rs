//! Deliveries: what is still to be done. What became of leased ones is written in [`crate::settle`].

use async_trait::async_trait;
use countersign_domain::delivery::{Delivery, InitialState, Lease, NewNotification};
use countersign_domain::ending::Ending;
use countersign_domain::node::NodeId;
use countersign_domain::prospect::Prospect;
use countersign_domain::settled::Settled;
use countersign_domain::sid::{ChallengeSid, EntitySid, FactorSid, NotificationSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Deliveries, Settlement};
use rusqlite::{Connection, Row, params};

use crate::cells::Cells;
use crate::statement::{all, execute, exists, one, statements};
use crate::trouble::Trouble;
use crate::writer::Command;
use crate::{SqliteStore, limit, notifications, prospect, settle};

statements! {
    INSERT = "INSERT INTO deliveries (challenge_sid, notification_sid, ordinal, factor_sid, entity_sid, deadline, \
              attempts, state, node, wake_at, written, changed_at) \
              VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, false, ?11)";
    DELETE = "DELETE FROM deliveries WHERE challenge_sid = ?1 AND notification_sid = ?2";
    OF_CHALLENGE = "SELECT challenge_sid, notification_sid, ordinal, written FROM deliveries WHERE challenge_sid = ?1";
    /// Those due the longest first. One past its deadline is left for `expire`.
    DUE = "SELECT notification_sid, challenge_sid, factor_sid, entity_sid, deadline, attempts FROM deliveries \
           WHERE state = 'due' AND wake_at <= ?1 AND deadline > ?1 ORDER BY wake_at LIMIT ?2";
    /// The cells beside `max` are those of the row that has it: the newest of its challenge.
    PARKED = "SELECT notification_sid, challenge_sid, factor_sid, entity_sid, deadline, attempts, max(ordinal) \
              FROM deliveries WHERE factor_sid = ?1 AND state = 'parked' AND deadline > ?2 \
              GROUP BY challenge_sid ORDER BY deadline LIMIT ?3";
    IS_PARKED = "SELECT 1 FROM deliveries WHERE factor_sid = ?1 AND state = 'parked' AND deadline > ?2";
    LEASE = "UPDATE deliveries SET state = 'leased', node = ?3, wake_at = ?4, written = false, changed_at = ?5 \
             WHERE challenge_sid = ?1 AND notification_sid = ?2";
    NEXT_DUE = "SELECT wake_at FROM deliveries WHERE state = 'due' ORDER BY wake_at LIMIT 1";
    OVERDUE_PARKED = "SELECT challenge_sid, notification_sid, ordinal, written, attempts, true FROM deliveries \
                      WHERE state = 'parked' AND wake_at <= ?1 ORDER BY wake_at LIMIT ?2";
    /// By an index of its own, since a long queue of what is due may hold few that are overdue.
    OVERDUE_DUE = "SELECT challenge_sid, notification_sid, ordinal, written, attempts, false FROM deliveries \
                   INDEXED BY deliveries_overdue WHERE state = 'due' AND deadline <= ?1 ORDER BY deadline LIMIT ?2";
    RESCUE = "UPDATE deliveries SET state = 'due', node = NULL, wake_at = min(?1, deadline), written = false, \
              changed_at = ?1 WHERE (challenge_sid, notification_sid) IN (SELECT challenge_sid, notification_sid \
              FROM deliveries WHERE state = 'leased' AND wake_at <= ?1 ORDER BY wake_at LIMIT ?2)";
    VOID = "UPDATE deliveries SET state = 'due', node = NULL, wake_at = min(?1, deadline), written = false, \
            changed_at = ?1 WHERE (challenge_sid, notification_sid) IN (SELECT challenge_sid, notification_sid \
            FROM deliveries WHERE state = 'leased' AND node <> ?3 LIMIT ?2)";
}

/// Inserts the delivery of a new notification, if its birth says that there is one.
pub(crate) fn insert(db: &Connection, new: &NewNotification, ordinal: i64) -> Result<(), Trouble> {
    let delivery = &new.delivery;
    let (state, node, wake_at) = match new.initial_state {
        InitialState::Leased { until } => ("leased", Some(new.node.0), until),
        InitialState::Due => ("due", None, new.created_at.min(delivery.deadline)),
        InitialState::Parked => ("parked", None, delivery.deadline),
        InitialState::Immediate | InitialState::Ended(_) => return Ok(()),
    };
    execute(
        db,
        INSERT,
        params![
            delivery.challenge.as_bytes(),
            delivery.notification.as_bytes(),
            ordinal,
            delivery.factor.as_bytes(),
            delivery.entity.as_bytes(),
            delivery.deadline.as_micros(),
            delivery.attempts,
            state,
            node,
            wake_at.as_micros(),
            new.created_at.as_micros(),
        ],
    )?;
    Ok(())
}

/// A delivery that is about to end, whoever holds it.
pub(crate) struct OpenEnd {
    challenge: ChallengeSid,
    notification: NotificationSid,
    ordinal: i64,
    /// To the device's stream, and not acknowledged.
    pub(crate) written: bool,
}

impl OpenEnd {
    /// From four cells.
    pub(crate) fn read(row: &Row<'_>) -> Result<Self, Trouble> {
        Self::take(&mut Cells::of(row, "deliveries"))
    }

    fn take(cells: &mut Cells<'_, '_>) -> Result<Self, Trouble> {
        Ok(Self {
            challenge: cells.make(ChallengeSid::from_bytes)?,
            notification: cells.make(NotificationSid::from_bytes)?,
            ordinal: cells.take()?,
            written: cells.take()?,
        })
    }

    /// Its row goes, and its notification says how it ended.
    pub(crate) fn end(&self, db: &Connection, ending: Ending, at: Instant) -> Result<(), Trouble> {
        delete(db, self.challenge, self.notification)?;
        notifications::close(db, self.challenge, self.ordinal, ending, "", at)?;
        Ok(())
    }
}

/// Removes the row of a delivery.
pub(crate) fn delete(
    db: &Connection,
    challenge: ChallengeSid,
    notification: NotificationSid,
) -> Result<(), Trouble> {
    execute(db, DELETE, [challenge.as_bytes(), notification.as_bytes()]).map(|_| ())
}

/// What is still to be done for a challenge.
pub(crate) fn of_challenge(
    db: &Connection,
    challenge: ChallengeSid,
) -> Result<Vec<OpenEnd>, Trouble> {
    all(db, OF_CHALLENGE, [challenge.as_bytes()], OpenEnd::read)
}

fn delivery(row: &Row<'_>) -> Result<Delivery, Trouble> {
    let mut cells = Cells::of(row, "deliveries");
    Ok(Delivery {
        notification: cells.make(NotificationSid::from_bytes)?,
        challenge: cells.make(ChallengeSid::from_bytes)?,
        factor: cells.make(FactorSid::from_bytes)?,
        entity: cells.make(EntitySid::from_bytes)?,
        deadline: cells.make(Instant::from_micros)?,
        attempts: cells.take()?,
        once: false,
    })
}

/// Leases what is due or, of one factor, what is parked.
struct TakeLeases {
    parked_for: Option<FactorSid>,
    node: NodeId,
    now: Instant,
    until: Instant,
    most: usize,
}

impl Command for TakeLeases {
    type Answer = Vec<Lease>;

    fn run(&self, db: &Connection) -> Result<Vec<Lease>, Trouble> {
        let (now, most) = (self.now.as_micros(), limit(self.most));
        let found = match self.parked_for {
            Some(factor) => all(db, PARKED, params![factor.as_bytes(), now, most], delivery),
            None => all(db, DUE, params![now, most], delivery),
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

/// One that waited until its deadline, and how it ends.
fn read_overdue(row: &Row<'_>) -> Result<(OpenEnd, Ending), Trouble> {
    let mut cells = Cells::of(row, "deliveries");
    let open = OpenEnd::take(&mut cells)?;
    let (attempts, waited_for_device) = (cells.take()?, cells.take()?);
    Ok((open, Ending::overdue(waited_for_device, attempts)))
}

struct Expire(Instant, usize);

impl Command for Expire {
    type Answer = usize;

    fn run(&self, db: &Connection) -> Result<usize, Trouble> {
        let Self(now, most) = *self;
        let mut ended = 0;
        for sql in [OVERDUE_PARKED, OVERDUE_DUE] {
            let params = params![now.as_micros(), limit(most - ended)];
            let overdue = all(db, sql, params, read_overdue)?;
            for (open, ending) in &overdue {
                open.end(db, *ending, now)?;
            }
            ended += overdue.len();
        }
        Ok(ended)
    }
}

struct Rescue(Instant, usize);

impl Command for Rescue {
    type Answer = usize;

    fn run(&self, db: &Connection) -> Result<usize, Trouble> {
        execute(db, RESCUE, params![self.0.as_micros(), limit(self.1)])
    }
}

struct VoidLeases(NodeId, Instant, usize);

impl Command for VoidLeases {
    type Answer = usize;

    fn run(&self, db: &Connection) -> Result<usize, Trouble> {
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
        // nearly every device that connects has missed nothing, and then the writer is spared
        let anything = self.read(|db| {
            let key = params![factor.as_bytes(), now.as_micros()];
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
            one(db, NEXT_DUE, (), |row| Cells::of(row, "deliveries").make(Instant::from_micros))
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
