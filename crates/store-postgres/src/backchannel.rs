//! Questions that clients ask apart from the person's browser.

use async_trait::async_trait;
use countersign_domain::backchannel::{BackchannelId, BackchannelLease, BackchannelRequest};
use countersign_domain::node::NodeId;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Backchannel;
use countersign_store_sql::backchannel_columns;
use countersign_store_sql::rows::backchannel::backchannel_request;
use countersign_store_sql::values::limit;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{all, one};
use crate::store::PostgresStore;

const READ: &str =
    concat!("SELECT ", backchannel_columns!(), " FROM backchannel_requests WHERE id = $1");
const REDEEM: &str = "UPDATE backchannel_requests SET redeemed_at = $2 \
                      WHERE id = $1 AND redeemed_at IS NULL AND deadline > $2";

const NEXT: &str =
    "SELECT wake_at FROM backchannel_requests WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT 1";
const LEASE: &str = concat!(
    "UPDATE backchannel_requests SET wake_at = $2, node = $3 WHERE id = ANY (ARRAY(SELECT id FROM backchannel_requests \
     WHERE wake_at <= $1 ORDER BY wake_at LIMIT $4 FOR UPDATE SKIP LOCKED)) RETURNING ",
    backchannel_columns!(),
    ", attempts"
);
const SETTLE: &str = "UPDATE backchannel_requests SET wake_at = $2, call = CASE WHEN $2 IS NULL THEN NULL ELSE call END, \
                      attempts = attempts + 1, node = NULL WHERE id = $1 AND node = $3 AND wake_at = $4";

struct Lease {
    node: NodeId,
    now: Instant,
    until: Instant,
    most: usize,
}

#[async_trait]
impl Command for Lease {
    type Output = Vec<BackchannelLease>;

    async fn run(&self, db: &Session) -> Result<Vec<BackchannelLease>, DatabaseError> {
        let Self { node, now, until, most } = *self;
        let (holder, most) = (id(&node.0), limit(most));
        let wanted = params![now.as_micros(), until.as_micros(), holder, most];
        all(db, LEASE, wanted, |row| {
            let mut cells = cells_of(row, "backchannel_requests");
            let request = backchannel_request(&mut cells)?;
            Ok(BackchannelLease { request, attempts: cells.take()?, node, until })
        })
        .await
    }
}

struct Settle {
    id: BackchannelId,
    node: NodeId,
    until: Instant,
    next: Option<Instant>,
}

#[async_trait]
impl Command for Settle {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let (next, until) = (self.next.map(Instant::as_micros), self.until.as_micros());
        let settled = params![id(&self.id.0), next, id(&self.node.0), until];
        Ok(db.execute(SETTLE, settled).await? > 0)
    }
}

struct Redeem(BackchannelId, Instant);

#[async_trait]
impl Command for Redeem {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        Ok(db.execute(REDEEM, params![id(&self.0.0), self.1.as_micros()]).await? > 0)
    }
}

#[async_trait]
impl Backchannel for PostgresStore {
    async fn backchannel_request(
        &self,
        sid: BackchannelId,
    ) -> StoreResult<Option<BackchannelRequest>> {
        let db = self.session().await?;
        let read = |row: &Row| backchannel_request(&mut cells_of(row, "backchannel_requests"));
        Ok(one(&db, READ, params![id(&sid.0)], read).await?)
    }

    async fn redeem_backchannel(&self, id: BackchannelId, at: Instant) -> StoreResult<bool> {
        self.write(Redeem(id, at)).await
    }

    async fn next_backchannel_call(&self) -> StoreResult<Option<Instant>> {
        let db = self.session().await?;
        let read = |row: &Row| cells_of(row, "backchannel_requests").map(Instant::from_micros);
        Ok(one(&db, NEXT, &[], read).await?)
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
