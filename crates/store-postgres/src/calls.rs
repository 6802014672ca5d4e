//! The calls of webhooks. How they are leased is written in [`crate::call_leases`], what became of leased ones in
//! [`crate::call_results`].

use async_trait::async_trait;
use countersign_domain::call_queue::QueueLimits;
use countersign_domain::node::NodeId;
use countersign_domain::sid::{ServiceSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::Webhook;
use countersign_domain::webhook_call::{AfterCall, Call, CallLease, FailingWebhook};
use countersign_store::error::StoreResult;
use countersign_store::seam::{Backlog, Calls, CallsFound, CallsWanted};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::bounds::Hurry;
use crate::call_results::{CallResult, Fate};
use crate::cells::Cells;
use crate::command::Command;
use crate::database::Session;
use crate::params::{id, params};
use crate::rows::{self, webhook_columns};
use crate::statement::{all, one};
use crate::trouble::Trouble;
use crate::{PostgresStore, backlog, call_leases, limit};

const VOID: &str = "UPDATE webhook_calls SET state = 'due', node = NULL, wake_at = $2 WHERE id = ANY (ARRAY(SELECT id \
                    FROM webhook_calls WHERE state = 'leased' AND node <> $1 LIMIT $3 FOR UPDATE SKIP LOCKED))";
const WEBHOOK: &str = concat!(
    "SELECT ",
    webhook_columns!(),
    " FROM webhooks w JOIN services s ON s.sid = w.service_sid WHERE w.service_sid = $1 AND w.sid = $2"
);
/// In one statement, since a call goes from state to state.
const NEXT: &str = "SELECT least((SELECT min(wake_at) FROM webhook_calls WHERE state = 'asleep'), \
                    (SELECT min(wake_at) FROM webhook_calls WHERE state = 'due'), \
                    (SELECT min(wake_at) FROM webhook_calls WHERE state = 'leased'))";
pub(crate) const FORGET: &str = "DELETE FROM webhook_calls WHERE id = ANY (ARRAY(SELECT id FROM webhook_calls \
                                 WHERE state = 'failed' AND wake_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
const NEXT_TROUBLED: &str = "SELECT webhook_sid, service_sid FROM webhook_calls WHERE webhook_sid > $1 \
                             ORDER BY webhook_sid LIMIT 1";
const TROUBLE: &str = "SELECT state, wake_at, last_error FROM webhook_calls \
                       WHERE webhook_sid = $1 AND last_error IS NOT NULL";

/// A webhook of a living service.
async fn living(
    db: &Session,
    service: ServiceSid,
    sid: WebhookSid,
) -> Result<Option<Webhook>, Trouble> {
    let key = params![id(service.as_bytes()), id(sid.as_bytes())];
    one(db, WEBHOOK, key, |row| rows::webhook(Cells::of(row, "webhooks"))).await
}

fn webhook_and_service(row: &Row) -> Result<(WebhookSid, ServiceSid), Trouble> {
    let mut cells = Cells::of(row, "webhook_calls");
    Ok((cells.make(WebhookSid::from_bytes)?, cells.make(ServiceSid::from_bytes)?))
}

struct Void(NodeId, Instant, usize);

#[async_trait]
impl Command for Void {
    type Answer = usize;
    const HURRY: Hurry = Hurry::Duty;

    async fn run(&self, db: &Session) -> Result<usize, Trouble> {
        db.execute(VOID, params![id(&self.0.0), self.1.as_micros(), limit(self.2)]).await
    }
}

/// How one webhook fares; `None` if none of its calls has failed.
async fn trouble(
    db: &Session,
    webhook: WebhookSid,
    service: ServiceSid,
) -> Result<Option<FailingWebhook>, Trouble> {
    let Some(living) = living(db, service, webhook).await? else {
        return Ok(None);
    };
    let url = living.url.as_str().to_owned();
    let mut found = FailingWebhook {
        webhook,
        service,
        url,
        waiting: 0,
        given_up: 0,
        last_error: String::new(),
        next_try: None,
    };
    let calls = all(db, TROUBLE, params![id(webhook.as_bytes())], |row| {
        let mut cells = Cells::of(row, "webhook_calls");
        Ok((cells.take::<String>()?, cells.make(Instant::from_micros)?, cells.take::<String>()?))
    })
    .await?;
    for (state, wake_at, error) in calls {
        if state == "failed" {
            found.given_up += 1;
        } else {
            found.waiting += 1;
            found.next_try = Some(found.next_try.map_or(wake_at, |at| at.min(wake_at)));
        }
        found.last_error = error;
    }
    Ok((found.waiting + found.given_up > 0).then_some(found))
}

#[async_trait]
impl Calls for PostgresStore {
    async fn lease_calls(&self, wanted: &CallsWanted) -> StoreResult<CallsFound> {
        call_leases::look(self, wanted).await
    }

    async fn next_call(&self, now: Instant) -> StoreResult<Option<Instant>> {
        let db = self.session().await?;
        let read = |row: &Row| Cells::of(row, "webhook_calls").take::<Option<i64>>();
        let next = one(&db, NEXT, &[], read).await?;
        Ok(next.flatten().map(|at| Instant::from_micros(at).max(now)))
    }

    async fn trim_calls(&self, limits: QueueLimits, now: Instant) -> StoreResult<Backlog> {
        backlog::tend(self, limits, now).await
    }

    async fn settle_call(
        &self,
        lease: &CallLease,
        after: AfterCall,
        error: &str,
        at: Instant,
    ) -> StoreResult<bool> {
        let result = CallResult {
            id: lease.id,
            node: lease.node,
            until: lease.until,
            challenge: Call::challenge_of(&lease.parameters),
            fate: Fate::Tried(after),
            error: error.to_owned(),
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
        while let Some((webhook, service)) =
            one(&db, NEXT_TROUBLED, params![last], webhook_and_service).await?
        {
            last = id(webhook.as_bytes());
            found.extend(trouble(&db, webhook, service).await?);
        }
        Ok(found)
    }
}
