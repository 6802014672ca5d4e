//! The calls that wait, and the removal of those that are too many.

use countersign_domain::call_queue::{CallQueue, QueueLimits};
use countersign_domain::sid::{AccountSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::{KEPT_FOR, OVERFLOWED};
use countersign_store::error::StoreResult;
use countersign_store::seam::Backlog;
use countersign_store_sql::backlog::{
    CallCount, batch_of, count_given_up, count_removed, forgettable, total,
};
use countersign_store_sql::rows::calls::webhook_and_service;
use countersign_store_sql::values::limit;
use rusqlite::{Connection, params};

use crate::call_order::{state_of_new, step_up};
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{all, execute, one, statements};
use crate::store::SqliteStore;

statements! {
    /// The next webhook with calls.
    NEXT = "SELECT c.webhook_sid, c.service_sid FROM webhook_calls c INDEXED BY webhook_calls_in_order \
            WHERE c.webhook_sid > ?1 ORDER BY c.webhook_sid LIMIT 1";
    ACCOUNT = "SELECT account_sid FROM webhooks WHERE service_sid = ?1 AND sid = ?2";
    /// A covering index holds all of it.
    QUEUE = "SELECT count(*) FILTER (WHERE state IN ('due', 'behind', 'leased')), count(*) FILTER (WHERE state = 'failed'), \
             min(happened_at) FILTER (WHERE state IN ('due', 'behind', 'leased')) \
             FROM webhook_calls INDEXED BY webhook_calls_in_order WHERE webhook_sid = ?1";
    OLDEST = "SELECT id, factor_sid FROM webhook_calls INDEXED BY webhook_calls_in_order WHERE webhook_sid = ?1 \
              AND (state = 'due' OR state = 'behind') ORDER BY happened_at, rowid LIMIT ?2";
    GIVE_UP = "UPDATE webhook_calls SET state = 'failed', wake_at = ?2, last_error = ?3 WHERE id = ?1";
    FORGET = "DELETE FROM webhook_calls WHERE rowid IN (SELECT rowid FROM webhook_calls INDEXED BY webhook_calls_of_webhook \
              WHERE webhook_sid = ?1 AND state = 'failed' ORDER BY wake_at LIMIT ?2)";
}

struct GiveUp {
    webhook: WebhookSid,
    most: usize,
    now: Instant,
}

impl Command for GiveUp {
    type Output = usize;

    fn run(&self, db: &Connection) -> Result<usize, DatabaseError> {
        let webhook = self.webhook.as_bytes();
        let oldest = all(db, OLDEST, params![webhook, limit(self.most)], |row| {
            let mut cells = cells_of(row, "webhook_calls");
            Ok((cells.take::<[u8; 16]>()?, cells.take::<[u8; 16]>()?))
        })?;
        for (call, factor) in &oldest {
            execute(db, GIVE_UP, params![call, (self.now + KEPT_FOR).as_micros(), OVERFLOWED])?;
            if state_of_new(db, webhook, factor)? == "due" {
                step_up(db, webhook, factor)?;
            }
        }
        Ok(oldest.len())
    }
}

struct Forget(WebhookSid, usize);

impl Command for Forget {
    type Output = usize;

    fn run(&self, db: &Connection) -> Result<usize, DatabaseError> {
        execute(db, FORGET, params![self.0.as_bytes(), limit(self.1)])
    }
}

/// Counts the calls of the webhook behind `last`.
fn count(db: &Connection, last: &[u8]) -> Result<Option<CallCount>, DatabaseError> {
    let next = one(db, NEXT, [last], |row| webhook_and_service(cells_of(row, "webhook_calls")))?;
    let Some((webhook, service)) = next else {
        return Ok(None);
    };
    let account = one(db, ACCOUNT, [service.as_bytes(), webhook.as_bytes()], |row| {
        cells_of(row, "webhooks").map(AccountSid::from_bytes)
    })?;
    one(db, QUEUE, [webhook.as_bytes()], |row| {
        let mut cells = cells_of(row, "webhook_calls");
        let (waiting, failed) = (cells.take()?, cells.take()?);
        let oldest = cells.map_if_any(Instant::from_micros)?;
        Ok(CallCount { queue: CallQueue { webhook, account, waiting }, failed, oldest })
    })
}

/// Counts the waiting calls, one webhook at a time, and gives up those that are too many.
pub(crate) async fn trim(
    store: &SqliteStore,
    limits: QueueLimits,
    now: Instant,
) -> StoreResult<Backlog> {
    let mut counts = Vec::new();
    let mut last = Vec::new();
    while let Some(next) = store.read(|db| count(db, &last))? {
        last = next.queue.webhook.as_bytes().to_vec();
        counts.push(next);
        // Each count occupies a thread that also serves requests.
        tokio::task::yield_now().await;
    }
    let mut backlog = total(&counts);
    let queues: Vec<_> = counts.iter().map(|count| count.queue).collect();
    for (webhook, excess) in limits.excess(&queues) {
        let given_up = store.write(GiveUp { webhook, most: batch_of(excess), now }).await?;
        count_given_up(&mut backlog, excess, given_up);
    }
    for count in &counts {
        let excess = forgettable(count);
        if excess > 0 {
            let removed = store.write(Forget(count.queue.webhook, batch_of(excess))).await?;
            count_removed(&mut backlog, excess, removed);
        }
    }
    Ok(backlog)
}
