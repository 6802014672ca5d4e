//! Questions that clients ask apart from the person's browser.

use async_trait::async_trait;
use countersign_domain::backchannel::{BackchannelId, BackchannelLease, BackchannelRequest};
use countersign_domain::node::NodeId;
use countersign_domain::secret::Sealed;
use countersign_domain::sid::ChallengeGroupSid;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Backchannel;
use countersign_store_sql::backchannel_columns;
use countersign_store_sql::rows::backchannel::backchannel_request;
use countersign_store_sql::values::limit;
use rusqlite::{Connection, Row, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{all, execute, one, statements};
use crate::store::SqliteStore;

statements! {
    READ = concat!("SELECT ", backchannel_columns!(), " FROM backchannel_requests WHERE id = ?1");
    INSERT = "INSERT INTO backchannel_requests (id, account_sid, service_sid, integration_sid, identity, group_sid, created_at, deadline, \
              call, wake_at, attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0) ON CONFLICT DO NOTHING";
    REDEEM = "UPDATE backchannel_requests SET redeemed_at = ?2 WHERE id = ?1 AND redeemed_at IS NULL AND deadline > ?2";
    /// When the question is answered.
    OF_GROUP = "SELECT id FROM backchannel_requests WHERE group_sid = ?1 AND wake_at > ?2 LIMIT 1";
    WAKE = "UPDATE backchannel_requests SET wake_at = ?2 WHERE id = ?1";
    NEXT = "SELECT wake_at FROM backchannel_requests WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT 1";
    DUE = concat!("SELECT ", backchannel_columns!(), ", attempts FROM backchannel_requests WHERE wake_at <= ?1 ORDER BY wake_at LIMIT ?2");
    LEASE = "UPDATE backchannel_requests SET wake_at = ?2, node = ?3 WHERE id = ?1";
    SETTLE = "UPDATE backchannel_requests SET wake_at = ?2, call = CASE WHEN ?2 IS NULL THEN NULL ELSE call END, \
              attempts = attempts + 1, node = NULL WHERE id = ?1 AND node = ?3 AND wake_at = ?4";
    FORGET = "DELETE FROM backchannel_requests WHERE id IN (SELECT id FROM backchannel_requests WHERE deadline <= ?1 LIMIT ?2)";
}

/// Stores the request that a group is opened for. Its client is called at `ends_at` unless the group is answered before.
/// Returns whether there was none with its id.
pub(crate) fn insert(
    db: &Connection,
    new: &BackchannelRequest,
    ends_at: Instant,
) -> Result<bool, DatabaseError> {
    let rows = execute(
        db,
        INSERT,
        params![
            new.id.0,
            new.account.as_bytes(),
            new.service.as_bytes(),
            new.integration.as_bytes(),
            new.identity.as_str(),
            new.group.as_bytes(),
            new.created_at.as_micros(),
            new.deadline.as_micros(),
            new.call.as_ref().map(Sealed::as_bytes),
            new.call.as_ref().map(|_| ends_at.as_micros()),
        ],
    )?;
    Ok(rows > 0)
}

/// Has the client called whose question was answered at `at`.
pub(crate) fn wake(
    db: &Connection,
    group: ChallengeGroupSid,
    at: Instant,
) -> Result<(), DatabaseError> {
    let id = |row: &Row<'_>| cells_of(row, "backchannel_requests").take::<[u8; 16]>();
    match one(db, OF_GROUP, params![group.as_bytes(), at.as_micros()], id)? {
        Some(id) => execute(db, WAKE, params![id, at.as_micros()]).map(drop),
        None => Ok(()),
    }
}

struct Lease {
    node: NodeId,
    now: Instant,
    until: Instant,
    most: usize,
}

impl Command for Lease {
    type Output = Vec<BackchannelLease>;

    fn run(&self, db: &Connection) -> Result<Vec<BackchannelLease>, DatabaseError> {
        let Self { node, now, until, most } = *self;
        let leases = all(db, DUE, params![now.as_micros(), limit(most)], |row| {
            let mut cells = cells_of(row, "backchannel_requests");
            let request = backchannel_request(&mut cells)?;
            Ok(BackchannelLease { request, attempts: cells.take()?, node, until })
        })?;
        for lease in &leases {
            let id = lease.request.id.0;
            execute(db, LEASE, params![id, until.as_micros(), node.0])?;
        }
        Ok(leases)
    }
}

struct Settle {
    id: BackchannelId,
    node: NodeId,
    until: Instant,
    next: Option<Instant>,
}

impl Command for Settle {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let (next, until) = (self.next.map(Instant::as_micros), self.until.as_micros());
        Ok(execute(db, SETTLE, params![self.id.0, next, self.node.0, until])? > 0)
    }
}

struct Redeem(BackchannelId, Instant);

impl Command for Redeem {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        Ok(execute(db, REDEEM, params![self.0.0, self.1.as_micros()])? > 0)
    }
}

#[async_trait]
impl Backchannel for SqliteStore {
    async fn backchannel_request(
        &self,
        id: BackchannelId,
    ) -> StoreResult<Option<BackchannelRequest>> {
        self.read(|db| {
            one(db, READ, [id.0], |row| {
                backchannel_request(&mut cells_of(row, "backchannel_requests"))
            })
        })
    }

    async fn redeem_backchannel(&self, id: BackchannelId, at: Instant) -> StoreResult<bool> {
        self.write(Redeem(id, at)).await
    }

    async fn next_backchannel_call(&self) -> StoreResult<Option<Instant>> {
        self.read(|db| {
            one(db, NEXT, (), |row| cells_of(row, "backchannel_requests").map(Instant::from_micros))
        })
    }

    async fn lease_backchannel_calls(
        &self,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> StoreResult<Vec<BackchannelLease>> {
        self.write(Lease { node, now, until, most }).await
    }

    async fn settle_backchannel_call(
        &self,
        lease: &BackchannelLease,
        next: Option<Instant>,
    ) -> StoreResult<bool> {
        let BackchannelLease { ref request, node, until, .. } = *lease;
        self.write(Settle { id: request.id, node, until, next }).await
    }
}
