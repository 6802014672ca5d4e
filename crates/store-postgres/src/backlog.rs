//! The calls of webhooks that wait: how many they are, and what becomes of those that are too many.

use async_trait::async_trait;
use countersign_domain::call_queue::{CallQueue, QueueLimits};
use countersign_domain::sid::{AccountSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::{KEPT, KEPT_FOR, OVERFLOWED};
use countersign_store::error::StoreResult;
use countersign_store::seam::Backlog;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::call_results::LOCK;
use crate::cells::Cells;
use crate::command::{Command, InDoubt};
use crate::database::Session;
use crate::params::{id, params};
use crate::statement::all;
use crate::trouble::Trouble;
use crate::{PostgresStore, limit};

/// Calls that are given up with one commit at most.
const BATCH: usize = 1_000;

const QUEUES: &str = "SELECT c.webhook_sid, w.account_sid, c.waiting, c.failed, c.oldest FROM (SELECT webhook_sid, service_sid, \
                      count(*) FILTER (WHERE state <> 'failed') AS waiting, count(*) FILTER (WHERE state = 'failed') AS failed, \
                      min(happened_at) FILTER (WHERE state <> 'failed') AS oldest FROM webhook_calls \
                      WHERE state IN ('due', 'behind', 'leased', 'failed') \
                      GROUP BY webhook_sid, service_sid) AS c LEFT JOIN webhooks w ON w.service_sid = c.service_sid \
                      AND w.sid = c.webhook_sid";
const OLDEST: &str = "SELECT id FROM webhook_calls WHERE webhook_sid = $1 AND state IN ('due', 'behind') \
                      ORDER BY happened_at, number, id LIMIT $2";
/// Of calls that are locked. Behind those that are given up, the earliest one steps up.
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

/// Of these, those that were given up at one instant.
const GIVEN_UP: &str =
    "SELECT count(*) FROM webhook_calls WHERE id = ANY ($1) AND state = 'failed' AND wake_at = $2";

/// The count that a statement answers with.
fn count(rows: &[Row]) -> Result<usize, Trouble> {
    let read = |row: &Row| Cells::of(row, "webhook_calls").take::<i64>();
    let count = rows.first().map(read).transpose()?.unwrap_or(0);
    Ok(usize::try_from(count).unwrap_or(0))
}

struct GiveUp {
    calls: Vec<Uuid>,
    now: Instant,
}

#[async_trait]
impl Command for GiveUp {
    type Answer = usize;
    const IN_DOUBT: InDoubt = InDoubt::AsksAndReads;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.now, self.now))
    }

    async fn run(&self, db: &Session) -> Result<usize, Trouble> {
        let give_up = params![self.calls, (self.now + KEPT_FOR).as_micros(), OVERFLOWED];
        let statements = [(LOCK, &params![self.calls][..]), (GIVE_UP, &give_up[..])];
        let [_, changed] = db.commit_with(statements).await?;
        count(&changed)
    }

    async fn answer_again(&self, db: &Session) -> Result<Option<usize>, Trouble> {
        let given_up = params![self.calls, (self.now + KEPT_FOR).as_micros()];
        count(&db.query(GIVEN_UP, given_up).await?).map(Some)
    }
}

struct Forget(Uuid, i64);

#[async_trait]
impl Command for Forget {
    type Answer = usize;

    async fn run(&self, db: &Session) -> Result<usize, Trouble> {
        db.execute(FORGET, params![self.0, self.1]).await
    }
}

/// Counts what waits, and gives up what is too much.
pub(crate) async fn tend(
    store: &PostgresStore,
    limits: QueueLimits,
    now: Instant,
) -> StoreResult<Backlog> {
    let mut backlog = Backlog::default();
    let (mut queues, mut failed) = (Vec::new(), Vec::new());
    let found = {
        let db = store.session().await?;
        all(&db, QUEUES, &[], |row| {
            let mut cells = Cells::of(row, "webhook_calls");
            let webhook = cells.make(WebhookSid::from_bytes)?;
            let account = cells.make(|sid: Option<[u8; 16]>| sid.map(AccountSid::from_bytes))?;
            let waiting = cells.make(i64::cast_unsigned)?;
            let failed = cells.make(i64::cast_unsigned)?;
            let oldest = cells.make(|at: Option<i64>| at.map(Instant::from_micros))?;
            Ok((CallQueue { webhook, account, waiting }, failed, oldest))
        })
        .await?
    };
    for (queue, of_failed, oldest) in found {
        backlog.queued += queue.waiting;
        backlog.oldest = backlog.oldest.into_iter().chain(oldest).min();
        failed.push((queue.webhook, of_failed));
        queues.push(queue);
    }
    for (webhook, excess) in limits.excess(&queues) {
        let webhook = id(webhook.as_bytes());
        let most = usize::try_from(excess).unwrap_or(BATCH).min(BATCH);
        let calls = {
            let db = store.session().await?;
            let read = |row: &Row| Cells::of(row, "webhook_calls").make(|sid| id(&sid));
            all(&db, OLDEST, params![webhook, limit(most)], read).await?
        };
        if !calls.is_empty() {
            let given_up = store.write(GiveUp { calls, now }).await?;
            backlog.given_up += given_up;
            backlog.queued -= given_up as u64;
            backlog.more |= excess > given_up as u64 && given_up > 0;
        }
    }
    for (webhook, failed) in failed {
        let excess = failed.saturating_sub(KEPT as u64);
        if excess > 0 {
            let most = usize::try_from(excess).unwrap_or(BATCH).min(BATCH);
            let forgotten = store.write(Forget(id(webhook.as_bytes()), limit(most))).await?;
            backlog.more |= excess > forgotten as u64 && forgotten > 0;
        }
    }
    Ok(backlog)
}
