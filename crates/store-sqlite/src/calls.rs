//! The calls of webhooks: leased, settled, looked at.

use async_trait::async_trait;
use countersign_domain::call_permits::{DueWebhook, MAX_IN_FLIGHT};
use countersign_domain::call_queue::QueueLimits;
use countersign_domain::challenge::ChallengeStatus;
use countersign_domain::event::{CallId, Event};
use countersign_domain::node::NodeId;
use countersign_domain::sid::{ChallengeSid, ServiceSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{AfterCall, Call, CallLease, FailingWebhook, KEPT_FOR};
use countersign_store::error::StoreResult;
use countersign_store::seam::{Backlog, Calls, CallsFound, CallsWanted, WEBHOOKS_PER_LOOK};
use rusqlite::{Connection, params};

use crate::cells::Cells;
use crate::rows::{self, webhook_columns};
use crate::statement::{all, execute, exists, one, statements};
use crate::trouble::Trouble;
use crate::writer::Command;
use crate::{SqliteStore, backlog, events, limit};

statements! {
    ASLEEP = "SELECT id, webhook_sid, service_sid, factor_sid, challenge_sid FROM webhook_calls \
              WHERE state = 'asleep' AND wake_at <= ?1 ORDER BY wake_at LIMIT ?2";
    WAKE = "UPDATE webhook_calls SET state = ?2, parameters = ?3, challenge_sid = NULL WHERE id = ?1";
    RUN_OUT = "UPDATE webhook_calls SET state = 'due', node = NULL WHERE rowid IN (SELECT rowid FROM webhook_calls \
               INDEXED BY webhook_calls_by_waking WHERE state = 'leased' AND wake_at <= ?1 LIMIT ?2)";
    VOID = "UPDATE webhook_calls SET state = 'due', node = NULL, wake_at = ?2 WHERE rowid IN (SELECT rowid \
            FROM webhook_calls INDEXED BY webhook_calls_by_waking WHERE state = 'leased' AND node <> ?1 LIMIT ?3)";
    /// The next webhook with calls that are due, by now or later.
    NEXT_WEBHOOK = "SELECT webhook_sid, service_sid FROM webhook_calls INDEXED BY webhook_calls_of_webhook \
                    WHERE state = 'due' AND webhook_sid > ?1 ORDER BY webhook_sid LIMIT 1";
    IS_DUE = "SELECT 1 FROM webhook_calls INDEXED BY webhook_calls_of_webhook \
              WHERE state = 'due' AND webhook_sid = ?1 AND wake_at <= ?2 LIMIT 1";
    IN_FLIGHT = "SELECT count(*) FROM (SELECT 1 FROM webhook_calls WHERE state = 'leased' AND webhook_sid = ?1 LIMIT ?2)";
    WEBHOOK = concat!(
        "SELECT ", webhook_columns!(), " FROM webhooks w JOIN services s ON s.sid = w.service_sid ",
        "WHERE w.service_sid = ?1 AND w.sid = ?2"
    );
    DUE = "SELECT id, event, parameters, attempts, deadline FROM webhook_calls INDEXED BY webhook_calls_of_webhook \
           WHERE state = 'due' AND webhook_sid = ?1 AND wake_at <= ?2 ORDER BY wake_at LIMIT ?3";
    /// What waits for a webhook that is not called any more. Nothing steps up, since all of it goes.
    DROP_WAITING = "DELETE FROM webhook_calls WHERE rowid IN (SELECT rowid FROM webhook_calls \
                    INDEXED BY webhook_calls_of_webhook WHERE webhook_sid = ?1 AND (state = 'due' OR state = 'behind') LIMIT ?2)";
    LEASE = "UPDATE webhook_calls SET state = 'leased', node = ?2, wake_at = ?3 WHERE id = ?1";
    HELD = "SELECT webhook_sid, factor_sid FROM webhook_calls \
            WHERE id = ?1 AND state = 'leased' AND node = ?2 AND wake_at = ?3";
    OF_CALL = "SELECT webhook_sid, factor_sid FROM webhook_calls WHERE id = ?1";
    /// Of a call that is leased still: the try that was taken is one more.
    KEEP = "INSERT INTO calls_taken (challenge_sid, id, webhook_sid, event, happened_at, attempts, taken_at, status) \
            SELECT ?2, id, webhook_sid, event, happened_at, attempts + 1, ?3, ?4 FROM webhook_calls WHERE id = ?1 \
            ON CONFLICT DO NOTHING";
    DELETE = "DELETE FROM webhook_calls WHERE id = ?1";
    RETRY = "UPDATE webhook_calls SET state = 'due', node = NULL, wake_at = ?2, attempts = attempts + 1, last_error = ?3 \
             WHERE id = ?1";
    FAIL = "UPDATE webhook_calls SET state = 'failed', node = NULL, wake_at = ?2, attempts = attempts + 1, \
            last_error = ?3 WHERE id = ?1";
    /// Its time went by while it waited.
    LATE = "UPDATE webhook_calls SET state = 'failed', wake_at = ?2, last_error = coalesce(last_error, 'not tried in time') \
            WHERE id = ?1";
    NEXT_IN_LINE = "SELECT id FROM webhook_calls WHERE webhook_sid = ?1 AND factor_sid = ?2 AND state = 'behind' \
                    ORDER BY happened_at LIMIT 1";
    STEP_UP = "UPDATE webhook_calls SET state = 'due' WHERE id = ?1";
    /// In one statement, since a call goes from state to state.
    NEXT = "SELECT min(at) FROM (SELECT min(wake_at) AS at FROM webhook_calls WHERE state = 'asleep' \
            UNION ALL SELECT min(wake_at) FROM webhook_calls WHERE state = 'due' \
            UNION ALL SELECT min(wake_at) FROM webhook_calls WHERE state = 'leased')";
    FORGET = "DELETE FROM webhook_calls WHERE rowid IN (SELECT rowid FROM webhook_calls \
              INDEXED BY webhook_calls_by_waking WHERE state = 'failed' AND wake_at <= ?1 LIMIT ?2)";
    NEXT_TROUBLED = "SELECT webhook_sid, service_sid FROM webhook_calls WHERE webhook_sid > ?1 \
                     ORDER BY webhook_sid LIMIT 1";
    TROUBLE = "SELECT state, wake_at, last_error FROM webhook_calls WHERE webhook_sid = ?1 AND last_error IS NOT NULL";
}

/// Calls that one look wakes, revives or ends at most.
const BATCH: usize = 512;

struct Lease(CallsWanted);

impl Lease {
    /// What watched a challenge that expired becomes a call; what watched another is forgotten.
    fn wake(&self, db: &Connection) -> Result<usize, Trouble> {
        let params = params![self.0.now.as_micros(), limit(BATCH)];
        let asleep = all(db, ASLEEP, params, |row| {
            let mut cells = Cells::of(row, "webhook_calls");
            Ok((
                cells.take::<[u8; 16]>()?,
                cells.make(WebhookSid::from_bytes)?,
                cells.make(ServiceSid::from_bytes)?,
                cells.take::<[u8; 16]>()?,
                cells.make(ChallengeSid::from_bytes)?,
            ))
        })?;
        let looked_at = asleep.len();
        for (id, webhook, service, factor, challenge) in asleep {
            let webhook = living(db, service, webhook)?;
            let found = events::challenge(db, challenge)?.filter(|(challenge, _)| {
                challenge.status(challenge.expires_at) == ChallengeStatus::Expired
            });
            let (Some(webhook), Some((challenge, name))) = (webhook, found) else {
                execute(db, DELETE, [id])?;
                continue;
            };
            let kind = EventType::ChallengeExpired;
            let event = Event::of_challenge(kind, &challenge, name.as_ref(), challenge.expires_at);
            let text = events::text(&event.parameters(&webhook));
            let turn = events::turn(db, webhook.sid.as_bytes(), &factor)?;
            execute(db, WAKE, params![id, turn, text])?;
        }
        Ok(looked_at)
    }

    /// The webhooks that have due calls, from the last turn on and around; and whether those are all.
    fn waiting(&self, db: &Connection) -> Result<(Vec<Passed>, bool), Trouble> {
        let (turn, mut passed) = (self.0.turn, Vec::new());
        let mut last = *turn.as_bytes();
        let mut is_around = false;
        while passed.len() < WEBHOOKS_PER_LOOK {
            let next = one(db, NEXT_WEBHOOK, [last], webhook_and_service)?;
            match next.filter(|(sid, _)| !is_around || *sid <= turn) {
                Some((sid, service)) => {
                    last = *sid.as_bytes();
                    passed.push(Passed { sid, webhook: living(db, service, sid)? });
                }
                None if is_around => return Ok((passed, true)),
                None => (last, is_around) = ([0; 16], true),
            }
        }
        Ok((passed, false))
    }

    /// How many more calls of a webhook may be in flight; `None` if none is due by now.
    fn room(&self, db: &Connection, sid: WebhookSid) -> Result<Option<usize>, Trouble> {
        if !exists(db, IS_DUE, params![sid.as_bytes(), self.0.now.as_micros()])? {
            return Ok(None);
        }
        let in_flight = one(db, IN_FLIGHT, params![sid.as_bytes(), limit(MAX_IN_FLIGHT)], |row| {
            Cells::of(row, "webhook_calls").take::<u32>()
        })?;
        let in_flight = usize::try_from(in_flight.unwrap_or(0)).unwrap_or(MAX_IN_FLIGHT);
        Ok(Some(self.0.paces.limit(sid).saturating_sub(in_flight)))
    }

    /// Up to `room` calls of one webhook, and whether any ended instead: those that it does not want any more, or whose time is
    /// over.
    fn of_webhook(
        &self,
        db: &Connection,
        webhook: &Webhook,
        room: usize,
    ) -> Result<(Vec<CallLease>, bool), Trouble> {
        let CallsWanted { node, now, until, .. } = self.0;
        let params = params![webhook.sid.as_bytes(), now.as_micros(), limit(room)];
        let due = all(db, DUE, params, |row| {
            let mut cells = Cells::of(row, "webhook_calls");
            Ok((
                cells.make(CallId)?,
                cells.parse(|word| Some(word.parse::<EventType>().ok()))?,
                cells.parse(|text| serde_json::from_str(text).ok())?,
                cells.take()?,
                cells.make(Instant::from_micros)?,
            ))
        })?;
        let found = due.len();
        let mut leases = Vec::new();
        for (id, event, parameters, attempts, deadline) in due {
            // one that only a newer release knows was stored for a webhook that named it
            if event.is_some_and(|event| !webhook.wants(event)) {
                finish(db, id)?;
                continue;
            }
            if deadline <= now {
                let forgotten = (now + KEPT_FOR).as_micros();
                execute(db, LATE, params![id.0, forgotten])?;
                if let Some((webhook, factor)) = one(db, OF_CALL, [id.0], line)? {
                    step_up(db, &webhook, &factor)?;
                }
                continue;
            }
            execute(db, LEASE, params![id.0, node.0, until.as_micros()])?;
            let webhook = webhook.clone();
            leases.push(CallLease { id, webhook, parameters, attempts, deadline, node, until });
        }
        let any_ended = leases.len() < found;
        Ok((leases, any_ended))
    }
}

/// A webhook that a look passes, if it is there still.
struct Passed {
    sid: WebhookSid,
    webhook: Option<Webhook>,
}

impl Command for Lease {
    type Answer = CallsFound;

    fn run(&self, db: &Connection) -> Result<CallsFound, Trouble> {
        let CallsWanted { now, permits, turn, .. } = &self.0;
        execute(db, RUN_OUT, params![now.as_micros(), limit(BATCH)])?;
        let woken = self.wake(db)?;
        let (passed, is_round) = self.waiting(db)?;
        let mut more = woken == BATCH || !is_round;
        let mut turn = passed.last().map_or(*turn, |webhook| webhook.sid);
        let (mut open, mut waiting) = (Vec::new(), Vec::new());
        for Passed { sid, webhook } in &passed {
            let Some(room) = self.room(db, *sid)? else {
                continue;
            };
            if let Some(webhook) = webhook.as_ref().filter(|webhook| webhook.enabled) {
                waiting.push(DueWebhook { account: webhook.account, capacity: room });
                open.push(webhook);
            } else {
                more |= execute(db, DROP_WAITING, params![sid.as_bytes(), limit(BATCH)])? > 0;
            }
        }
        let dealt = permits.clone().assign(&waiting);
        let served: Vec<_> = open.into_iter().zip(dealt).filter(|(_, room)| *room > 0).collect();
        if permits.free <= served.len()
            && let Some((webhook, _)) = served.last()
        {
            turn = webhook.sid;
        }
        let mut leases = Vec::new();
        for (webhook, room) in served {
            let (leased, any_ended) = self.of_webhook(db, webhook, room)?;
            more |= any_ended;
            leases.extend(leased);
        }
        Ok(CallsFound { leases, turn, more })
    }
}

/// A webhook of a living service.
fn living(
    db: &Connection,
    service: ServiceSid,
    sid: WebhookSid,
) -> Result<Option<Webhook>, Trouble> {
    one(db, WEBHOOK, [service.as_bytes(), sid.as_bytes()], |row| {
        rows::webhook(Cells::of(row, "webhooks"))
    })
}

fn webhook_and_service(row: &rusqlite::Row<'_>) -> Result<(WebhookSid, ServiceSid), Trouble> {
    let mut cells = Cells::of(row, "webhook_calls");
    Ok((cells.make(WebhookSid::from_bytes)?, cells.make(ServiceSid::from_bytes)?))
}

/// Forgets a call, and lets the next of its webhook and factor step up.
fn finish(db: &Connection, id: CallId) -> Result<(), Trouble> {
    let line = one(db, OF_CALL, [id.0], line)?;
    execute(db, DELETE, [id.0])?;
    line.map_or(Ok(()), |(webhook, factor)| step_up(db, &webhook, &factor))
}

fn line(row: &rusqlite::Row<'_>) -> Result<([u8; 16], [u8; 16]), Trouble> {
    let mut cells = Cells::of(row, "webhook_calls");
    Ok((cells.take()?, cells.take()?))
}

pub(crate) fn step_up(
    db: &Connection,
    webhook: &[u8; 16],
    factor: &[u8; 16],
) -> Result<(), Trouble> {
    let next = one(db, NEXT_IN_LINE, [webhook, factor], |row| {
        Cells::of(row, "webhook_calls").take::<[u8; 16]>()
    })?;
    next.map_or(Ok(()), |id| execute(db, STEP_UP, [id]).map(|_| ()))
}

struct Settle {
    id: CallId,
    /// What it tells of.
    challenge: Option<ChallengeSid>,
    node: NodeId,
    until: Instant,
    after: AfterCall,
    error: String,
    at: Instant,
}

impl Command for Settle {
    type Answer = bool;

    fn run(&self, db: &Connection) -> Result<bool, Trouble> {
        let held = params![self.id.0, self.node.0, self.until.as_micros()];
        let Some((webhook, factor)) = one(db, HELD, held, line)? else {
            return Ok(false);
        };
        match self.after {
            AfterCall::Taken { status } => {
                if let Some(challenge) = self.challenge {
                    let at = self.at.as_micros();
                    execute(db, KEEP, params![self.id.0, challenge.as_bytes(), at, status])?;
                }
                execute(db, DELETE, [self.id.0])?;
                step_up(db, &webhook, &factor)?;
            }
            AfterCall::Retry { at } => {
                execute(db, RETRY, params![self.id.0, at.as_micros(), self.error])?;
            }
            AfterCall::Failed => {
                let forgotten = (self.at + KEPT_FOR).as_micros();
                execute(db, FAIL, params![self.id.0, forgotten, self.error])?;
                step_up(db, &webhook, &factor)?;
            }
        }
        Ok(true)
    }
}

struct Void(NodeId, Instant, usize);

impl Command for Void {
    type Answer = usize;

    fn run(&self, db: &Connection) -> Result<usize, Trouble> {
        execute(db, VOID, params![self.0.0, self.1.as_micros(), limit(self.2)])
    }
}

/// How one webhook fares; `None` if none of its calls has failed.
fn trouble(
    db: &Connection,
    webhook: WebhookSid,
    service: ServiceSid,
) -> Result<Option<FailingWebhook>, Trouble> {
    let Some(living) = living(db, service, webhook)? else {
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
    let calls = all(db, TROUBLE, [webhook.as_bytes()], |row| {
        let mut cells = Cells::of(row, "webhook_calls");
        Ok((cells.take::<String>()?, cells.make(Instant::from_micros)?, cells.take::<String>()?))
    })?;
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
impl Calls for SqliteStore {
    async fn lease_calls(&self, wanted: &CallsWanted) -> StoreResult<CallsFound> {
        self.write(Lease(wanted.clone())).await
    }

    async fn next_call(&self, now: Instant) -> StoreResult<Option<Instant>> {
        self.read(|db| {
            let next =
                one(db, NEXT, (), |row| Cells::of(row, "webhook_calls").take::<Option<i64>>())?;
            Ok(next.flatten().map(|at| Instant::from_micros(at).max(now)))
        })
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
        let (id, node, until) = (lease.id, lease.node, lease.until);
        let challenge = Call::challenge_of(&lease.parameters);
        let error = error.to_owned();
        self.write(Settle { id, challenge, node, until, after, error, at }).await
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
                let next = one(db, NEXT_TROUBLED, [after], webhook_and_service)?;
                let Some((webhook, service)) = next else {
                    return Ok(found);
                };
                last = Some(*webhook.as_bytes());
                found.extend(trouble(db, webhook, service)?);
            }
        })
    }
}
