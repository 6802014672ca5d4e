//! The calls of webhooks.

use async_trait::async_trait;
use countersign_domain::call_queue::QueueLimits;
use countersign_domain::node::NodeId;
use countersign_domain::sid::{ServiceSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::{AfterCall, Call, CallFailure, CallLease, FailingWebhook};
use countersign_store::error::StoreResult;
use countersign_store::seam::{Backlog, Calls, CallsFound, CallsWanted};
use countersign_store_sql::rows::calls::{FailedCall, failing_webhook, webhook_and_service};
use countersign_store_sql::values::limit;
use rusqlite::{Connection, params};

use crate::backlog;
use crate::call_leases::{Lease, living};
use crate::call_results::Settle;
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{all, execute, one, statements};
use crate::store::SqliteStore;

statements! {
    VOID = "UPDATE webhook_calls SET state = 'due', node = NULL, wake_at = ?2 WHERE rowid IN (SELECT rowid \
            FROM webhook_calls INDEXED BY webhook_calls_by_waking WHERE state = 'leased' AND node <> ?1 LIMIT ?3)";
    /// One statement, since a call may change its state between two.
    NEXT = "SELECT min(at) FROM (SELECT min(wake_at) AS at FROM webhook_calls WHERE state = 'asleep' \
            UNION ALL SELECT min(wake_at) FROM webhook_calls WHERE state = 'due' \
            UNION ALL SELECT min(wake_at) FROM webhook_calls WHERE state = 'leased')";
    FORGET = "DELETE FROM webhook_calls WHERE rowid IN (SELECT rowid FROM webhook_calls \
              INDEXED BY webhook_calls_by_waking WHERE state = 'failed' AND wake_at <= ?1 LIMIT ?2)";
    NEXT_WITH_CALLS = "SELECT webhook_sid, service_sid FROM webhook_calls WHERE webhook_sid > ?1 \
                     ORDER BY webhook_sid LIMIT 1";
    FAILED = "SELECT state, wake_at, last_error FROM webhook_calls WHERE webhook_sid = ?1 AND last_error IS NOT NULL";
}

struct Void(NodeId, Instant, usize);

impl Command for Void {
    type Output = usize;

    fn run(&self, db: &Connection) -> Result<usize, DatabaseError> {
        execute(db, VOID, params![self.0.0, self.1.as_micros(), limit(self.2)])
    }
}

/// Summarizes the failed calls of a webhook of a living service; `None` without any.
fn failing(
    db: &Connection,
    webhook: WebhookSid,
    service: ServiceSid,
) -> Result<Option<FailingWebhook>, DatabaseError> {
    let Some(living) = living(db, service, webhook)? else {
        return Ok(None);
    };
    let calls = all(db, FAILED, [webhook.as_bytes()], |row| {
        FailedCall::read(cells_of(row, "webhook_calls"))
    })?;
    Ok(failing_webhook(&living, calls))
}

#[async_trait]
impl Calls for SqliteStore {
    async fn lease_calls(&self, wanted: &CallsWanted) -> StoreResult<CallsFound> {
        self.write(Lease(wanted.clone())).await
    }

    async fn next_call(&self, now: Instant) -> StoreResult<Option<Instant>> {
        self.read(|db| {
            let next =
                one(db, NEXT, (), |row| cells_of(row, "webhook_calls").take::<Option<i64>>())?;
            Ok(next.flatten().map(|at| Instant::from_micros(at).max(now)))
        })
    }

    async fn trim_calls(&self, limits: QueueLimits, now: Instant) -> StoreResult<Backlog> {
        backlog::trim(self, limits, now).await
    }

    async fn settle_call(
        &self,
        lease: &CallLease,
        after: AfterCall,
        failure: CallFailure,
        at: Instant,
    ) -> StoreResult<bool> {
        let (id, node, until) = (lease.id, lease.node, lease.until);
        let challenge = Call::challenge_of(&lease.parameters);
        self.write(Settle { id, challenge, node, until, after, failure, at }).await
    }

    async fn void_calls(&self, node: NodeId, now: Instant, most: usize) -> StoreResult<usize> {
        self.write(Void(node, now, most)).await
    }

    async fn failing_webhooks(&self) -> StoreResult<Vec<FailingWebhook>> {
        self.read(|db| {
            let mut found = Vec::new();
            let mut last: Option<[u8; 16]> = None;
            loop {
                let after = last.as_ref().map_or(&[][..], |sid| &sid[..]);
                let next = one(db, NEXT_WITH_CALLS, [after], |row| {
                    webhook_and_service(cells_of(row, "webhook_calls"))
                })?;
                let Some((webhook, service)) = next else {
                    return Ok(found);
                };
                last = Some(*webhook.as_bytes());
                found.extend(failing(db, webhook, service)?);
            }
        })
    }
}
