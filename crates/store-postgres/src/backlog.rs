//! The calls that wait, and the removal of those that are too many.

use async_trait::async_trait;
use countersign_domain::call_queue::{CallQueue, QueueLimits};
use countersign_domain::sid::{AccountSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::{KEPT_FOR, OVERFLOWED};
use countersign_store::error::StoreResult;
use countersign_store::seam::Backlog;
use countersign_store_sql::backlog::{
    CallCount, batch_of, count_given_up, count_removed, forgettable, total,
};
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::values::limit;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::call_results::LOCK;
use crate::cells::cells_of;
use crate::command::{Command, OnUnknownCommit};
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::all;
use crate::store::PostgresStore;

const QUEUES: &str = "SELECT c.webhook_sid, w.account_sid, c.waiting, c.failed, c.oldest FROM (SELECT webhook_sid, service_sid, \
                      count(*) FILTER (WHERE state <> 'failed') AS waiting, count(*) FILTER (WHERE state = 'failed') AS failed, \
                      min(happened_at) FILTER (WHERE state <> 'failed') AS oldest FROM webhook_calls \
                      WHERE state IN ('due', 'behind', 'leased', 'failed') \
                      GROUP BY webhook_sid, service_sid) AS c LEFT JOIN webhooks w ON w.service_sid = c.service_sid \
                      AND w.sid = c.webhook_sid";
const OLDEST: &str = "SELECT id FROM webhook_calls WHERE webhook_sid = $1 AND state IN ('due', 'behind') \
                      ORDER BY happened_at, number, id LIMIT $2";
/// Gives up locked calls. The earliest call behind them becomes due.
const GIVE_UP: &str = "WITH held AS MATERIALIZED (SELECT id, webhook_sid, factor_sid FROM webhook_calls WHERE id = ANY ($1) \
     AND state IN ('due', 'behind')), \
     changed AS (UPDATE webhook_calls c SET state = 'failed', wake_at = $2, last_error = $3 FROM held WHERE c.id = held.id \
     RETURNING 1), \
     ended AS (SELECT DISTINCT webhook_sid, factor_sid FROM held), \
     next AS (UPDATE webhook_calls c SET state = 'due' FROM ended CROSS JOIN LATERAL (SELECT id FROM webhook_calls \
     WHERE webhook_sid = ended.webhook_sid AND factor_sid = ended.factor_sid AND state = 'behind' AND id <> ALL ($1) \
     ORDER BY happened_at, number, id LIMIT 1) AS next WHERE c.id = next.id) SELECT count(*) FROM changed";
const FORGET: &str = "DELETE FROM webhook_calls WHERE id = ANY (ARRAY(SELECT id FROM webhook_calls \
                      WHERE webhook_sid = $1 AND state = 'failed' ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// Counts those of these calls that were given up at one instant.
const GIVEN_UP: &str =
    "SELECT count(*) FROM webhook_calls WHERE id = ANY ($1) AND state = 'failed' AND wake_at = $2";

/// Reads the count that a statement returns.
fn count(rows: &[Row]) -> Result<usize, DatabaseError> {
    let read = |row: &Row| cells_of(row, "webhook_calls").take::<i64>();
    let count = rows.first().map(read).transpose()?.unwrap_or(0);
    Ok(usize::try_from(count).unwrap_or(0))
}

struct GiveUp {
    calls: Vec<Uuid>,
    now: Instant,
}

#[async_trait]
impl Command for GiveUp {
    type Output = usize;
    const ON_UNKNOWN_COMMIT: OnUnknownCommit = OnUnknownCommit::AskAndReadOutput;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.now, self.now))
    }

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        let give_up = params![self.calls, (self.now + KEPT_FOR).as_micros(), OVERFLOWED];
        let statements = [(LOCK, &params![self.calls][..]), (GIVE_UP, &give_up[..])];
        let [_, changed] = db.commit_with(statements).await?;
        count(&changed)
    }

    async fn read_output(&self, db: &Session) -> Result<Option<usize>, DatabaseError> {
        let given_up = params![self.calls, (self.now + KEPT_FOR).as_micros()];
        count(&db.query(GIVEN_UP, given_up).await?).map(Some)
    }
}

struct Forget(Uuid, i64);

#[async_trait]
impl Command for Forget {
    type Output = usize;

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        db.execute(FORGET, params![self.0, self.1]).await
    }
}

fn call_count(row: &Row) -> RowResult<CallCount> {
    let mut cells = cells_of(row, "webhook_calls");
    let webhook = cells.map(WebhookSid::from_bytes)?;
    let account = cells.map_if_any(AccountSid::from_bytes)?;
    let waiting = cells.take()?;
    let queue = CallQueue { webhook, account, waiting };
    Ok(CallCount { queue, failed: cells.take()?, oldest: cells.map_if_any(Instant::from_micros)? })
}

/// Counts the waiting calls and gives up those that are too many.
pub(crate) async fn trim(
    store: &PostgresStore,
    limits: QueueLimits,
    now: Instant,
) -> StoreResult<Backlog> {
    let counts = {
        let db = store.session().await?;
        all(&db, QUEUES, &[], call_count).await?
    };
    let mut backlog = total(&counts);
    let queues: Vec<_> = counts.iter().map(|count| count.queue).collect();
    for (webhook, excess) in limits.excess(&queues) {
        let calls = {
            let db = store.session().await?;
            let oldest = params![id(webhook.as_bytes()), limit(batch_of(excess))];
            all(&db, OLDEST, oldest, |row| cells_of(row, "webhook_calls").map(|sid| id(&sid)))
                .await?
        };
        if !calls.is_empty() {
            let given_up = store.write(GiveUp { calls, now }).await?;
            count_given_up(&mut backlog, excess, given_up);
        }
    }
    for count in &counts {
        let excess = forgettable(count);
        if excess > 0 {
            let webhook = id(count.queue.webhook.as_bytes());
            let removed = store.write(Forget(webhook, limit(batch_of(excess)))).await?;
            count_removed(&mut backlog, excess, removed);
        }
    }
    Ok(backlog)
}
