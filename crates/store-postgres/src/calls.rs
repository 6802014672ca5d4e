//! The calls of webhooks. `call_leases.rs` leases them, `call_results.rs` writes their outcomes.

use async_trait::async_trait;
use countersign_domain::call_queue::QueueLimits;
use countersign_domain::node::NodeId;
use countersign_domain::sid::{ServiceSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::Webhook;
use countersign_domain::webhook_call::{AfterCall, Call, CallFailure, CallLease, FailingWebhook};
use countersign_store::error::StoreResult;
use countersign_store::seam::{Backlog, Calls, CallsFound, CallsWanted};
use countersign_store_sql::rows::calls::{FailedCall, failing_webhook, webhook_and_service};
use countersign_store_sql::values::limit;
use countersign_store_sql::{rows, webhook_columns};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::call_results::{CallResult, NextState};
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{all, one};
use crate::store::PostgresStore;
use crate::time_limits::TimeLimit;
use crate::{backlog, call_leases};

const VOID: &str = "UPDATE webhook_calls SET state = 'due', node = NULL, wake_at = $2 WHERE id = ANY (ARRAY(SELECT id \
                    FROM webhook_calls WHERE state = 'leased' AND node <> $1 LIMIT $3 FOR UPDATE SKIP LOCKED))";
const WEBHOOK: &str = concat!(
    "SELECT ",
    webhook_columns!(),
    " FROM webhooks w JOIN services s ON s.sid = w.service_sid WHERE w.service_sid = $1 AND w.sid = $2"
);
/// One statement, since a call may change its state between two.
const NEXT: &str = "SELECT least((SELECT min(wake_at) FROM webhook_calls WHERE state = 'asleep'), \
                    (SELECT min(wake_at) FROM webhook_calls WHERE state = 'due'), \
                    (SELECT min(wake_at) FROM webhook_calls WHERE state = 'leased'))";
pub(crate) const FORGET: &str = "DELETE FROM webhook_calls WHERE id = ANY (ARRAY(SELECT id FROM webhook_calls \
                                 WHERE state = 'failed' AND wake_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
const NEXT_WITH_CALLS: &str = "SELECT webhook_sid, service_sid FROM webhook_calls WHERE webhook_sid > $1 \
                             ORDER BY webhook_sid LIMIT 1";
const FAILED: &str = "SELECT state, wake_at, last_error FROM webhook_calls \
                       WHERE webhook_sid = $1 AND last_error IS NOT NULL";

/// Reads a webhook of a living service.
async fn living(
    db: &Session,
    service: ServiceSid,
    sid: WebhookSid,
) -> Result<Option<Webhook>, DatabaseError> {
    let key = params![id(service.as_bytes()), id(sid.as_bytes())];
    one(db, WEBHOOK, key, |row| rows::webhooks::webhook(&mut cells_of(row, "webhooks"))).await
}

struct Void(NodeId, Instant, usize);

#[async_trait]
impl Command for Void {
    type Output = usize;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        db.execute(VOID, params![id(&self.0.0), self.1.as_micros(), limit(self.2)]).await
    }
}

/// Summarizes the failed calls of a webhook of a living service; `None` without any.
async fn failing(
    db: &Session,
    webhook: WebhookSid,
    service: ServiceSid,
) -> Result<Option<FailingWebhook>, DatabaseError> {
    let Some(living) = living(db, service, webhook).await? else {
        return Ok(None);
    };
    let read = |row: &Row| FailedCall::read(cells_of(row, "webhook_calls"));
    let calls = all(db, FAILED, params![id(webhook.as_bytes())], read).await?;
    Ok(failing_webhook(&living, calls))
}

#[async_trait]
impl Calls for PostgresStore {
    async fn lease_calls(&self, wanted: &CallsWanted) -> StoreResult<CallsFound> {
        call_leases::look(self, wanted).await
    }

    async fn next_call(&self, now: Instant) -> StoreResult<Option<Instant>> {
        let db = self.session().await?;
        let read = |row: &Row| cells_of(row, "webhook_calls").take::<Option<i64>>();
        let next = one(&db, NEXT, &[], read).await?;
        Ok(next.flatten().map(|at| Instant::from_micros(at).max(now)))
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
        let result = CallResult {
            id: lease.id,
            node: lease.node,
            until: lease.until,
            challenge: Call::challenge_of(&lease.parameters),
            next: NextState::Tried(after),
            failure,
            at,
        };
        self.settling_calls.run(result).await
    }

    async fn void_calls(&self, node: NodeId, now: Instant, most: usize) -> StoreResult<usize> {
        self.write(Void(node, now, most)).await
    }

    async fn failing_webhooks(&self) -> StoreResult<Vec<FailingWebhook>> {
        let db = self.session().await?;
        let mut found = Vec::new();
        let mut last = Uuid::nil();
        let read = |row: &Row| webhook_and_service(cells_of(row, "webhook_calls"));
        while let Some((webhook, service)) = one(&db, NEXT_WITH_CALLS, params![last], read).await? {
            last = id(webhook.as_bytes());
            found.extend(failing(&db, webhook, service).await?);
        }
        Ok(found)
    }
}
