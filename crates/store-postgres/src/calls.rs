//! The calls of webhooks: leased, settled, looked at.

use async_trait::async_trait;
use countersign_domain::challenge::ChallengeStatus;
use countersign_domain::delivery::NodeId;
use countersign_domain::event::{CallId, Event};
use countersign_domain::sid::{ChallengeSid, FactorSid, ServiceSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{
    AT_ONCE, AfterCall, Call, CallLease, FailingWebhook, KEPT_FOR,
};
use countersign_store::seam::{Answer, Calls};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::cells::Cells;
use crate::database::{Command, Session};
use crate::params::{id, params};
use crate::rows::{self, webhook_columns};
use crate::statement::{all, one};
use crate::trouble::Trouble;
use crate::{PostgresStore, events, limit};

/// One node at a time looks for calls, so that no webhook gets more than its share. Any number will do.
const HOLD: &str = "SELECT pg_advisory_xact_lock(4804911933)";
const ASLEEP: &str = "SELECT id, webhook_sid, service_sid, factor_sid, challenge_sid FROM webhook_calls \
                      WHERE state = 'asleep' AND wake_at <= $1 ORDER BY wake_at LIMIT $2";
const WAKE: &str =
    "UPDATE webhook_calls SET state = $2, parameters = $3, challenge_sid = NULL WHERE id = $1";
const RUN_OUT: &str = "UPDATE webhook_calls SET state = 'due', node = NULL WHERE id = ANY (ARRAY(SELECT id \
                       FROM webhook_calls WHERE state = 'leased' AND wake_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
const VOID: &str = "UPDATE webhook_calls SET state = 'due', node = NULL, wake_at = $2 WHERE id = ANY (ARRAY(SELECT id \
                    FROM webhook_calls WHERE state = 'leased' AND node <> $1 LIMIT $3 FOR UPDATE SKIP LOCKED))";
/// The next webhook with calls that are due.
const NEXT_WEBHOOK: &str = "SELECT webhook_sid, service_sid FROM webhook_calls \
                            WHERE state = 'due' AND webhook_sid > $1 ORDER BY webhook_sid LIMIT 1";
const IN_FLIGHT: &str = "SELECT count(*) FROM (SELECT 1 FROM webhook_calls WHERE state = 'leased' AND webhook_sid = $1 \
                         LIMIT $2) AS counted";
const WEBHOOK: &str = concat!(
    "SELECT ",
    webhook_columns!(),
    " FROM webhooks w JOIN services s ON s.sid = w.service_sid WHERE w.service_sid = $1 AND w.sid = $2"
);
const DUE: &str = "SELECT id, event, parameters, attempts, deadline FROM webhook_calls \
                   WHERE state = 'due' AND webhook_sid = $1 AND wake_at <= $2 ORDER BY wake_at LIMIT $3 \
                   FOR UPDATE SKIP LOCKED";
const LEASE: &str =
    "UPDATE webhook_calls SET state = 'leased', node = $2, wake_at = $3 WHERE id = $1";
const HELD: &str = "SELECT webhook_sid, factor_sid FROM webhook_calls \
                    WHERE id = $1 AND node = $2 AND wake_at = $3 FOR UPDATE";
const OF_CALL: &str = "SELECT webhook_sid, factor_sid FROM webhook_calls WHERE id = $1 FOR UPDATE";
/// Of a call that is leased still: the try that was taken is one more.
const KEEP: &str = "WITH gone AS (DELETE FROM webhook_calls WHERE id = $1 \
                    RETURNING id, webhook_sid, event, happened_at, attempts) \
                    INSERT INTO calls_taken (challenge_sid, id, webhook_sid, event, happened_at, attempts, taken_at, status) \
                    SELECT $2, id, webhook_sid, event, happened_at, attempts + 1, $3, $4 FROM gone ON CONFLICT DO NOTHING";
const DELETE: &str = "DELETE FROM webhook_calls WHERE id = $1";
const RETRY: &str = "UPDATE webhook_calls SET state = 'due', node = NULL, wake_at = $2, attempts = attempts + 1, \
                     last_error = $3 WHERE id = $1";
const FAIL: &str = "UPDATE webhook_calls SET state = 'failed', node = NULL, wake_at = $2, attempts = attempts + 1, \
                    last_error = $3 WHERE id = $1";
/// Its time went by while it waited.
const LATE: &str = "UPDATE webhook_calls SET state = 'failed', wake_at = $2, \
                    last_error = coalesce(last_error, 'not tried in time') WHERE id = $1";
const STEP_UP: &str = "UPDATE webhook_calls SET state = 'due' WHERE id = (SELECT id FROM webhook_calls \
                       WHERE webhook_sid = $1 AND factor_sid = $2 AND state = 'behind' ORDER BY happened_at LIMIT 1)";
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

struct Lease {
    node: NodeId,
    now: Instant,
    until: Instant,
    most: usize,
}

/// Five cells: a call that sleeps, and what it watches.
fn sleeper(
    row: &Row,
) -> Result<(CallId, WebhookSid, ServiceSid, FactorSid, ChallengeSid), Trouble> {
    let mut cells = Cells::of(row, "webhook_calls");
    Ok((
        cells.make(CallId)?,
        cells.make(WebhookSid::from_bytes)?,
        cells.make(ServiceSid::from_bytes)?,
        cells.make(FactorSid::from_bytes)?,
        cells.make(ChallengeSid::from_bytes)?,
    ))
}

impl Lease {
    /// What watched a challenge that expired becomes a call; what watched another is forgotten.
    async fn wake(&self, db: &Session) -> Result<(), Trouble> {
        let asleep =
            all(db, ASLEEP, params![self.now.as_micros(), limit(self.most)], sleeper).await?;
        let mut watched = events::challenges(db, asleep.iter().map(|call| call.4)).await?;
        watched.retain(|_, (challenge, _)| {
            challenge.status(challenge.expires_at) == ChallengeStatus::Expired
        });
        for (call, webhook, service, factor, challenge) in asleep {
            let webhook = living(db, service, webhook).await?;
            let call = id(&call.0);
            let (Some(webhook), Some((challenge, name))) = (webhook, watched.get(&challenge))
            else {
                db.execute(DELETE, params![call]).await?;
                continue;
            };
            let kind = EventType::ChallengeExpired;
            let event = Event::of_challenge(kind, challenge, name.as_ref(), challenge.expires_at);
            let text = events::text(&event.parameters(&webhook));
            events::hold_line(db, factor).await?;
            let turn = events::turn(db, webhook.sid, factor).await?;
            db.execute(WAKE, params![call, turn, text]).await?;
        }
        Ok(())
    }

    /// Up to `room` calls of one webhook. Those that it does not want any more, or whose time is over, end.
    async fn of_webhook(
        &self,
        db: &Session,
        sid: WebhookSid,
        webhook: Option<&Webhook>,
        room: usize,
    ) -> Result<Vec<CallLease>, Trouble> {
        let asked = params![id(sid.as_bytes()), self.now.as_micros(), limit(room)];
        let due = all(db, DUE, asked, |row| {
            let mut cells = Cells::of(row, "webhook_calls");
            Ok((
                cells.make(CallId)?,
                cells.parse(|word| word.parse::<EventType>().ok())?,
                cells.parse(|text| serde_json::from_str(text).ok())?,
                cells.take()?,
                cells.make(Instant::from_micros)?,
            ))
        })
        .await?;
        let mut leases = Vec::new();
        for (call, event, parameters, attempts, deadline) in due {
            let Some(webhook) = webhook.filter(|webhook| webhook.wants(event)) else {
                finish(db, call).await?;
                continue;
            };
            if deadline <= self.now {
                late(db, call, self.now).await?;
                continue;
            }
            let holder = params![id(&call.0), id(&self.node.0), self.until.as_micros()];
            db.execute(LEASE, holder).await?;
            leases.push(CallLease {
                id: call,
                webhook: webhook.clone(),
                parameters,
                attempts,
                deadline,
                node: self.node,
                until: self.until,
            });
        }
        Ok(leases)
    }
}

#[async_trait]
impl Command for Lease {
    type Answer = Vec<CallLease>;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.now, self.now))
    }

    async fn run(&self, db: &Session) -> Result<Vec<CallLease>, Trouble> {
        db.query(HOLD, &[]).await?;
        db.execute(RUN_OUT, params![self.now.as_micros(), limit(self.most)]).await?;
        self.wake(db).await?;
        let mut leases = Vec::new();
        let mut last = Uuid::nil();
        while leases.len() < self.most {
            let next = one(db, NEXT_WEBHOOK, params![last], webhook_and_service).await?;
            let Some((sid, service)) = next else {
                break;
            };
            last = id(sid.as_bytes());
            let webhook = living(db, service, sid).await?;
            let read = |row: &Row| Cells::of(row, "webhook_calls").take::<u32>();
            let busy = one(db, IN_FLIGHT, params![last, limit(AT_ONCE)], read).await?;
            let busy = usize::try_from(busy.unwrap_or(0)).unwrap_or(AT_ONCE);
            let room = AT_ONCE.saturating_sub(busy).min(self.most - leases.len());
            leases.extend(self.of_webhook(db, sid, webhook.as_ref(), room).await?);
        }
        Ok(leases)
    }
}

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

/// Whose line a call stands in.
fn line(row: &Row) -> Result<(WebhookSid, FactorSid), Trouble> {
    let mut cells = Cells::of(row, "webhook_calls");
    Ok((cells.make(WebhookSid::from_bytes)?, cells.make(FactorSid::from_bytes)?))
}

/// Forgets a call, and lets the next of its webhook and factor step up.
async fn finish(db: &Session, call: CallId) -> Result<(), Trouble> {
    let call = params![id(&call.0)];
    let Some((webhook, factor)) = one(db, OF_CALL, call, line).await? else {
        return Ok(());
    };
    events::hold_line(db, factor).await?;
    db.execute(DELETE, call).await?;
    step_up(db, webhook, factor).await
}

/// Gives up a call that was not tried in time.
async fn late(db: &Session, call: CallId, now: Instant) -> Result<(), Trouble> {
    let key = params![id(&call.0)];
    let Some((webhook, factor)) = one(db, OF_CALL, key, line).await? else {
        return Ok(());
    };
    events::hold_line(db, factor).await?;
    db.execute(LATE, params![id(&call.0), (now + KEPT_FOR).as_micros()]).await?;
    step_up(db, webhook, factor).await
}

/// In a line that is held.
async fn step_up(db: &Session, webhook: WebhookSid, factor: FactorSid) -> Result<(), Trouble> {
    let line = params![id(webhook.as_bytes()), id(factor.as_bytes())];
    db.execute(STEP_UP, line).await.map(|_| ())
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

#[async_trait]
impl Command for Settle {
    type Answer = bool;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.at, self.at))
    }

    async fn run(&self, db: &Session) -> Result<bool, Trouble> {
        let call = id(&self.id.0);
        let held = params![call, id(&self.node.0), self.until.as_micros()];
        let Some((webhook, factor)) = one(db, HELD, held, line).await? else {
            return Ok(false);
        };
        match self.after {
            AfterCall::Taken { status } => {
                events::hold_line(db, factor).await?;
                if let Some(challenge) = self.challenge {
                    let (challenge, at) = (id(challenge.as_bytes()), self.at.as_micros());
                    db.execute(KEEP, params![call, challenge, at, i64::from(status)]).await?;
                } else {
                    db.execute(DELETE, params![call]).await?;
                }
                step_up(db, webhook, factor).await?;
            }
            AfterCall::Retry { at } => {
                db.execute(RETRY, params![call, at.as_micros(), self.error]).await?;
            }
            AfterCall::Failed => {
                let forgotten = (self.at + KEPT_FOR).as_micros();
                events::hold_line(db, factor).await?;
                db.execute(FAIL, params![call, forgotten, self.error]).await?;
                step_up(db, webhook, factor).await?;
            }
        }
        Ok(true)
    }
}

struct Void(NodeId, Instant, usize);

#[async_trait]
impl Command for Void {
    type Answer = usize;

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
    async fn lease_calls(
        &self,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> Answer<Vec<CallLease>> {
        self.write(Lease { node, now, until, most }).await
    }

    async fn next_call(&self, now: Instant) -> Answer<Option<Instant>> {
        let db = self.session().await?;
        let read = |row: &Row| Cells::of(row, "webhook_calls").take::<Option<i64>>();
        let next = one(&db, NEXT, &[], read).await?;
        Ok(next.flatten().map(|at| Instant::from_micros(at).max(now)))
    }

    async fn settle_call(
        &self,
        lease: &CallLease,
        after: AfterCall,
        error: &str,
        at: Instant,
    ) -> Answer<bool> {
        let (id, node, until) = (lease.id, lease.node, lease.until);
        let challenge = Call::challenge_of(&lease.parameters);
        let error = error.to_owned();
        self.write(Settle { id, challenge, node, until, after, error, at }).await
    }

    async fn void_calls(&self, node: NodeId, now: Instant, most: usize) -> Answer<usize> {
        self.write(Void(node, now, most)).await
    }

    async fn failing_webhooks(&self) -> Answer<Vec<FailingWebhook>> {
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
