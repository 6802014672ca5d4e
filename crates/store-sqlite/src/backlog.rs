//! The calls of webhooks that wait: how many they are, and what becomes of those that are too many.

use countersign_domain::call_queue::{CallQueue, QueueLimits};
use countersign_domain::sid::{AccountSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::{KEPT, KEPT_FOR, OVERFLOWED};
use countersign_store::error::StoreResult;
use countersign_store::seam::Backlog;
use rusqlite::{Connection, params};

use crate::calls::step_up;
use crate::cells::Cells;
use crate::statement::{all, execute, one, statements};
use crate::trouble::Trouble;
use crate::writer::Command;
use crate::{SqliteStore, events, limit};

/// Calls of one webhook that are given up with one command at most.
const BATCH: usize = 1_000;

statements! {
    /// The next webhook with calls.
    NEXT = "SELECT c.webhook_sid, c.service_sid FROM webhook_calls c INDEXED BY webhook_calls_in_order \
            WHERE c.webhook_sid > ?1 ORDER BY c.webhook_sid LIMIT 1";
    ACCOUNT = "SELECT account_sid FROM webhooks WHERE service_sid = ?1 AND sid = ?2";
    /// All of it is in the index.
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
    type Answer = usize;

    fn run(&self, db: &Connection) -> Result<usize, Trouble> {
        let webhook = self.webhook.as_bytes();
        let oldest = all(db, OLDEST, params![webhook, limit(self.most)], |row| {
            let mut cells = Cells::of(row, "webhook_calls");
            Ok((cells.take::<[u8; 16]>()?, cells.take::<[u8; 16]>()?))
        })?;
        for (call, factor) in &oldest {
            execute(db, GIVE_UP, params![call, (self.now + KEPT_FOR).as_micros(), OVERFLOWED])?;
            if events::turn(db, webhook, factor)? == "due" {
                step_up(db, webhook, factor)?;
            }
        }
        Ok(oldest.len())
    }
}

struct Forget(WebhookSid, usize);

impl Command for Forget {
    type Answer = usize;

    fn run(&self, db: &Connection) -> Result<usize, Trouble> {
        execute(db, FORGET, params![self.0.as_bytes(), limit(self.1)])
    }
}

/// The calls of one webhook.
struct Count {
    queue: CallQueue,
    failed: u64,
    oldest: Option<Instant>,
}

/// Counts the calls of the webhook behind `last`.
fn count(db: &Connection, last: &[u8]) -> Result<Option<Count>, Trouble> {
    let next = one(db, NEXT, [last], |row| {
        let mut cells = Cells::of(row, "webhook_calls");
        Ok((cells.make(WebhookSid::from_bytes)?, cells.take::<[u8; 16]>()?))
    })?;
    let Some((webhook, service)) = next else {
        return Ok(None);
    };
    let account = one(db, ACCOUNT, params![service, webhook.as_bytes()], |row| {
        Cells::of(row, "webhooks").make(AccountSid::from_bytes)
    })?;
    one(db, QUEUE, [webhook.as_bytes()], |row| {
        let mut cells = Cells::of(row, "webhook_calls");
        let (waiting, failed) =
            (cells.make(<u64 as From<u32>>::from)?, cells.make(<u64 as From<u32>>::from)?);
        let oldest = cells.make(|at: Option<i64>| at.map(Instant::from_micros))?;
        Ok(Count { queue: CallQueue { webhook, account, waiting }, failed, oldest })
    })
}

/// Counts what waits, one webhook at a time, and gives up what is too much.
pub(crate) async fn tend(
    store: &SqliteStore,
    limits: QueueLimits,
    now: Instant,
) -> StoreResult<Backlog> {
    let (mut backlog, mut found) = (Backlog::default(), Vec::new());
    let mut last = Vec::new();
    while let Some(next) = store.read(|db| count(db, &last))? {
        last = next.queue.webhook.as_bytes().to_vec();
        backlog.queued += next.queue.waiting;
        backlog.oldest = backlog.oldest.into_iter().chain(next.oldest).min();
        found.push(next);
        // a count takes a thread that serves others
        tokio::task::yield_now().await;
    }
    let queues: Vec<_> = found.iter().map(|count| count.queue).collect();
    for (webhook, excess) in limits.excess(&queues) {
        let most = usize::try_from(excess).unwrap_or(BATCH).min(BATCH);
        let given_up = store.write(GiveUp { webhook, most, now }).await?;
        backlog.given_up += given_up;
        backlog.queued -= given_up as u64;
        backlog.more |= excess > given_up as u64 && given_up > 0;
    }
    for Count { queue, failed, .. } in found {
        let excess = failed.saturating_sub(KEPT as u64);
        if excess > 0 {
            let most = usize::try_from(excess).unwrap_or(BATCH).min(BATCH);
            let forgotten = store.write(Forget(queue.webhook, most)).await?;
            backlog.more |= excess > forgotten as u64 && forgotten > 0;
        }
    }
    Ok(backlog)
}
