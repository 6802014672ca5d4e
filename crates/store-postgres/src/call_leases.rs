//! The commands that lease calls.
//!
//! New calls are stored as due, without reading the others. A node that looks for calls judges them: of one webhook and factor the
//! earliest unfinished call is leased, and the others are put behind it until it ends. While it leases calls of a webhook, the node locks
//! the webhook's row, and it skips webhooks that another node has locked; nothing else waits for these locks. Statements and commit are
//! sent together, so no lock waits for this process.

use async_trait::async_trait;
use countersign_domain::call_permits::{DueWebhook, MAX_IN_FLIGHT};
use countersign_domain::challenge::ChallengeState;
use countersign_domain::event::{CallId, Event};
use countersign_domain::node::NodeId;
use countersign_domain::sid::{ChallengeSid, ServiceSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::EventType;
use countersign_domain::webhook_call::{BEHIND_FOR, Call, CallLease};
use countersign_store::error::StoreResult;
use countersign_store::seam::{CallsFound, CallsWanted, Outcome};
use countersign_store_sql::values::{limit, parameters_text};
use countersign_store_sql::{rows, webhook_columns};
use futures_util::future::try_join_all;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::call_results::{CallResult, NextState};
use crate::cells::cells_of;
use crate::command::{Command, OnUnknownCommit};
use crate::error::DatabaseError;
use crate::events;
use crate::params::{column, id, params};
use crate::session::Session;
use crate::statement::{all, one};
use crate::store::PostgresStore;
use crate::time_limits::TimeLimit;
use crate::waiting_webhooks::waiting;

/// The most calls that one look wakes, makes due again or removes.
const BATCH: usize = 512;
/// The most due calls of one webhook that one look judges.
const JUDGED: usize = 64;

const OVERDUE: &str = "SELECT EXISTS (SELECT 1 FROM webhook_calls WHERE state = 'asleep' AND wake_at <= $1), \
                       EXISTS (SELECT 1 FROM webhook_calls WHERE state = 'leased' AND wake_at <= $1) \
                       OR EXISTS (SELECT 1 FROM webhook_calls WHERE state = 'behind' AND wake_at <= $2)";
/// Makes due the calls whose lease has run out, and those that were behind others for so long that they are judged again.
const REVIVE: &str = "UPDATE webhook_calls SET state = 'due', node = NULL \
                      WHERE id = ANY (ARRAY(SELECT id FROM webhook_calls WHERE state = 'leased' AND wake_at <= $1 \
                      LIMIT $3 FOR UPDATE SKIP LOCKED) || ARRAY(SELECT id FROM webhook_calls \
                      WHERE state = 'behind' AND wake_at <= $2 LIMIT $3 FOR UPDATE SKIP LOCKED))";
const ASLEEP: &str = "SELECT id, webhook_sid, service_sid, challenge_sid FROM webhook_calls \
                      WHERE state = 'asleep' AND wake_at <= $1 ORDER BY wake_at LIMIT $2";
const LIVING: &str = concat!(
    "SELECT w.* FROM unnest($1, $2) AS u (service_sid, sid) CROSS JOIN LATERAL (SELECT ",
    webhook_columns!(),
    " FROM webhooks w JOIN services s ON s.sid = w.service_sid WHERE w.service_sid = u.service_sid AND w.sid = u.sid \
     OFFSET 0) AS w"
);
/// A watch without parameters is removed.
const WAKE: &str = "WITH held AS MATERIALIZED (SELECT u.* FROM unnest($1, $2) AS u (id, parameters) \
                    CROSS JOIN LATERAL (SELECT 1 FROM webhook_calls WHERE id = u.id AND state = 'asleep' \
                    FOR UPDATE SKIP LOCKED) AS c), \
                    gone AS (DELETE FROM webhook_calls c USING held WHERE c.id = held.id AND held.parameters IS NULL) \
                    UPDATE webhook_calls c SET state = 'due', parameters = held.parameters, challenge_sid = NULL \
                    FROM held WHERE c.id = held.id AND held.parameters IS NOT NULL";
/// The waiting calls of webhooks that are deleted or disabled. No other call becomes due, since all of them are removed.
const DROP: &str = "DELETE FROM webhook_calls WHERE id = ANY (ARRAY(SELECT id FROM webhook_calls \
                    WHERE webhook_sid = ANY ($1) AND state IN ('due', 'behind') LIMIT $2 FOR UPDATE SKIP LOCKED))";
/// Locks webhooks, and records their SIDs for the next statement of the transaction.
const LOCK: &str = "SELECT set_config('countersign.webhooks', coalesce(array_agg(held.sid)::text, '{}'), true) \
                    FROM unnest($1, $2) AS u (service_sid, sid) CROSS JOIN LATERAL (SELECT sid FROM webhooks \
                    WHERE service_sid = u.service_sid AND sid = u.sid FOR NO KEY UPDATE SKIP LOCKED) AS held";
/// Leases calls of the locked webhooks. Returns how many were put behind others, and the leased calls.
///
/// A call is put behind another one only while the row of that one is locked. A transaction that ends that call locks it too, and
/// afterwards sees the calls behind it.
const LEASE: &str = concat!(
    "WITH open AS MATERIALIZED (SELECT u.sid, least(u.room, u.at_once - (SELECT count(*) FROM (SELECT 1 FROM webhook_calls \
     WHERE state = 'leased' AND webhook_sid = u.sid LIMIT $8) AS leased)) AS room \
     FROM unnest($1, $2, $6) AS u (sid, room, at_once) \
     WHERE u.sid = ANY (current_setting('countersign.webhooks')::uuid[])), \
     found AS MATERIALIZED (SELECT c.*, open.room FROM open CROSS JOIN LATERAL (SELECT id, webhook_sid, factor_sid, \
     happened_at, number, wake_at FROM webhook_calls WHERE state = 'due' AND webhook_sid = open.sid AND wake_at <= $3 \
     ORDER BY wake_at LIMIT $7 FOR UPDATE SKIP LOCKED) AS c WHERE open.room > 0), \
     judged AS MATERIALIZED (SELECT found.*, NOT EXISTS (SELECT 1 FROM webhook_calls WHERE webhook_sid = found.webhook_sid \
     AND factor_sid = found.factor_sid AND state = 'leased') AND NOT EXISTS (SELECT 1 FROM webhook_calls \
     WHERE webhook_sid = found.webhook_sid AND factor_sid = found.factor_sid AND state = 'due' \
     AND (happened_at, number, id) < (found.happened_at, found.number, found.id)) AS in_front FROM found), \
     chosen AS MATERIALIZED (SELECT id FROM (SELECT id, room, row_number() OVER (PARTITION BY webhook_sid \
     ORDER BY wake_at, number, id) AS place FROM judged WHERE in_front) AS ranked WHERE place <= room), \
     later AS MATERIALIZED (SELECT judged.id FROM judged CROSS JOIN LATERAL (SELECT 1 FROM webhook_calls \
     WHERE webhook_sid = judged.webhook_sid AND factor_sid = judged.factor_sid AND (state = 'leased' OR state = 'due' \
     AND (happened_at, number, id) < (judged.happened_at, judged.number, judged.id)) LIMIT 1 FOR KEY SHARE SKIP LOCKED) AS earlier \
     WHERE NOT judged.in_front), \
     put AS (UPDATE webhook_calls c SET state = 'behind', wake_at = $3 FROM later WHERE c.id = later.id RETURNING 1), \
     leased AS (UPDATE webhook_calls c SET state = 'leased', node = $4, wake_at = $5 FROM chosen WHERE c.id = chosen.id \
     RETURNING c.id, c.service_sid, c.webhook_sid, c.event, c.parameters, c.attempts, c.deadline) \
     SELECT p.put, l.id, l.event, l.parameters, l.attempts, l.deadline, ",
    webhook_columns!(),
    " FROM (SELECT count(*) AS put FROM put) AS p LEFT JOIN (leased l JOIN webhooks w ON w.service_sid = l.service_sid \
     AND w.sid = l.webhook_sid) ON true"
);

/// Reads the calls that a look has leased, in the form of [`LEASE`]. The number of calls put behind others is lost: it returns 1, so
/// that another look follows.
const LEASED: &str = concat!(
    "SELECT 1::bigint, l.id, l.event, l.parameters, l.attempts, l.deadline, ",
    webhook_columns!(),
    " FROM (SELECT) AS one LEFT JOIN (webhook_calls l JOIN webhooks w ON w.service_sid = l.service_sid \
     AND w.sid = l.webhook_sid) ON l.state = 'leased' AND l.webhook_sid = ANY ($1) AND l.node = $2 AND l.wake_at = $3"
);

/// A change of calls by one statement.
enum Change {
    Revive(Instant),
    Wake(Instant, Vec<Uuid>, Vec<Option<String>>),
    Drop(Vec<Uuid>),
}

#[async_trait]
impl Command for Change {
    type Output = usize;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        match self {
            Self::Revive(now) | Self::Wake(now, ..) => Some((*now, *now)),
            Self::Drop(_) => None,
        }
    }

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        let most = limit(BATCH);
        match self {
            Self::Revive(now) => {
                let long = (*now - BEHIND_FOR).as_micros();
                db.execute(REVIVE, params![now.as_micros(), long, most]).await
            }
            Self::Wake(_, calls, parameters) => {
                db.execute(WAKE, params![*calls, *parameters]).await
            }
            Self::Drop(webhooks) => db.execute(DROP, params![*webhooks, most]).await,
        }
    }
}

/// Looks for calls to make.
pub(crate) async fn look(store: &PostgresStore, wanted: &CallsWanted) -> StoreResult<CallsFound> {
    let woken = wake_and_revive(store, wanted.now).await?;
    let (visited, is_round) = {
        let db = store.session().await?;
        waiting(&db, wanted).await?
    };
    let due = || visited.iter().filter(|webhook| webhook.is_due);
    let dead: Vec<_> = due()
        .filter(|webhook| webhook.account.is_none())
        .map(|webhook| id(webhook.webhook.as_bytes()))
        .collect();
    let mut more = woken == BATCH || !is_round;
    if !dead.is_empty() {
        more |= store.write(Change::Drop(dead)).await? > 0;
    }
    let (open, waiting): (Vec<_>, Vec<_>) = due()
        .filter_map(|webhook| {
            let room = wanted.concurrency.limit(webhook.webhook).saturating_sub(webhook.in_flight);
            Some((webhook, DueWebhook { account: webhook.account?, capacity: room }))
        })
        .unzip();
    let dealt = wanted.permits.clone().assign(&waiting);
    let served: Vec<_> = open.into_iter().zip(dealt).filter(|(_, room)| *room > 0).collect();
    let mut turn = visited.last().map_or(wanted.turn, |webhook| webhook.webhook);
    if wanted.permits.free <= served.len()
        && let Some((webhook, _)) = served.last()
    {
        turn = webhook.webhook;
    }
    if served.is_empty() {
        return Ok(CallsFound { leases: Vec::new(), turn, more });
    }
    let lease = Lease {
        services: column(&served, |(webhook, _)| id(webhook.service.as_bytes())),
        webhooks: column(&served, |(webhook, _)| id(webhook.webhook.as_bytes())),
        rooms: column(&served, |(_, room)| limit(*room)),
        at_once: column(&served, |(webhook, _)| limit(wanted.concurrency.limit(webhook.webhook))),
        node: wanted.node,
        now: wanted.now,
        until: wanted.until,
    };
    let Leased { put, calls } = store.write(lease).await?;
    let leased = calls.len();
    let leases = keep_wanted(store, calls, wanted.now).await?;
    more |= put > 0 || leases.len() < leased;
    Ok(CallsFound { leases, turn, more })
}

/// Makes due the calls whose lease has run out or that were behind others for too long, and makes calls of the challenges that expired.
/// Returns how many of the latter were looked at.
async fn wake_and_revive(store: &PostgresStore, now: Instant) -> StoreResult<usize> {
    let (is_overdue, (calls, forms)) = {
        let db = store.session().await?;
        let read = |row: &Row| {
            let mut cells = cells_of(row, "webhook_calls");
            Ok((cells.take::<bool>()?, cells.take::<bool>()?))
        };
        let long = (now - BEHIND_FOR).as_micros();
        let (is_asleep, is_overdue) =
            one(&db, OVERDUE, params![now.as_micros(), long], read).await?.unwrap_or_default();
        (is_overdue, if is_asleep { woken(&db, now).await? } else { Default::default() })
    };
    if is_overdue {
        store.write(Change::Revive(now)).await?;
    }
    let looked_at = calls.len();
    if looked_at > 0 {
        store.write(Change::Wake(now, calls, forms)).await?;
    }
    Ok(looked_at)
}

/// The watches of challenges that expired by now, with their parameters; without parameters there is no event.
async fn woken(
    db: &Session,
    now: Instant,
) -> Result<(Vec<Uuid>, Vec<Option<String>>), DatabaseError> {
    let asleep = all(db, ASLEEP, params![now.as_micros(), limit(BATCH)], |row| {
        let mut cells = cells_of(row, "webhook_calls");
        Ok((
            cells.map(CallId)?,
            cells.map(WebhookSid::from_bytes)?,
            cells.map(ServiceSid::from_bytes)?,
            cells.map(ChallengeSid::from_bytes)?,
        ))
    })
    .await?;
    let watched = events::challenges(db, asleep.iter().map(|call| call.3)).await?;
    let mut of: Vec<_> = asleep.iter().map(|call| (call.2, call.1)).collect();
    of.sort_unstable();
    of.dedup();
    let services = column(&of, |(service, _)| id(service.as_bytes()));
    let webhooks = column(&of, |(_, webhook)| id(webhook.as_bytes()));
    let read = |row: &Row| rows::webhooks::webhook(&mut cells_of(row, "webhooks"));
    let living = all(db, LIVING, params![services, webhooks], read).await?;
    let form = |webhook: WebhookSid, challenge: ChallengeSid| {
        let webhook = living.iter().find(|living| living.sid == webhook)?;
        let (challenge, name) = watched.get(&challenge)?;
        let is_expired = challenge.state == ChallengeState::Pending;
        let (kind, at) = (EventType::ChallengeExpired, challenge.expires_at);
        let event = Event::of_challenge(kind, challenge, name.as_ref(), at);
        is_expired.then(|| parameters_text(&event.parameters(webhook)))
    };
    let forms = |(call, webhook, _, challenge): &(CallId, WebhookSid, ServiceSid, ChallengeSid)| {
        (id(&call.0), form(*webhook, *challenge))
    };
    Ok(asleep.iter().map(forms).unzip())
}

struct Lease {
    services: Vec<Uuid>,
    webhooks: Vec<Uuid>,
    /// How many more calls of each webhook may be leased.
    rooms: Vec<i64>,
    /// How many calls of each webhook may be leased in all.
    at_once: Vec<i64>,
    node: NodeId,
    now: Instant,
    until: Instant,
}

struct Leased {
    /// How many calls were put behind others.
    put: i64,
    /// The leased calls, each with its event type if this release knows it.
    calls: Vec<(CallLease, Option<EventType>)>,
}

impl Outcome for Leased {
    fn is_done(&self) -> bool {
        self.put > 0 || !self.calls.is_empty()
    }
}

#[async_trait]
impl Command for Lease {
    type Output = Leased;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;
    const ON_UNKNOWN_COMMIT: OnUnknownCommit = OnUnknownCommit::AskAndReadOutput;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.now, self.now))
    }

    async fn run(&self, db: &Session) -> Result<Leased, DatabaseError> {
        let Self { services, webhooks, rooms, at_once, node, now, until } = self;
        let (now, end, node_id) = (now.as_micros(), until.as_micros(), id(&node.0));
        let (judged, most) = (limit(JUDGED), limit(MAX_IN_FLIGHT));
        let lease = params![*webhooks, *rooms, now, node_id, end, *at_once, judged, most];
        let [_, rows] =
            db.commit_with([(LOCK, params![*services, *webhooks]), (LEASE, lease)]).await?;
        self.read(&rows)
    }

    async fn read_output(&self, db: &Session) -> Result<Option<Leased>, DatabaseError> {
        let own = params![self.webhooks, id(&self.node.0), self.until.as_micros()];
        self.read(&db.query(LEASED, own).await?).map(Some)
    }
}

impl Lease {
    fn read(&self, rows: &[Row]) -> Result<Leased, DatabaseError> {
        let mut leased = Leased { put: 0, calls: Vec::new() };
        for row in rows {
            let mut cells = cells_of(row, "webhook_calls");
            leased.put = cells.take()?;
            let Some(id) = cells.map_if_any(CallId)? else {
                continue;
            };
            let event = cells.parse(|word| Some(word.parse().ok()))?;
            let parameters = cells.parse(|text| serde_json::from_str(text).ok())?;
            let (attempts, deadline) = (cells.take()?, cells.map(Instant::from_micros)?);
            let webhook = rows::webhooks::webhook(&mut cells.next_table("webhooks"))?;
            let (node, until) = (self.node, self.until);
            let call = CallLease { id, webhook, parameters, attempts, deadline, node, until };
            leased.calls.push((call, event));
        }
        Ok(leased)
    }
}

/// Keeps the calls that their webhooks are subscribed to and whose deadline has not passed. Ends the others.
async fn keep_wanted(
    store: &PostgresStore,
    calls: Vec<(CallLease, Option<EventType>)>,
    now: Instant,
) -> StoreResult<Vec<CallLease>> {
    let (mut kept, mut ended) = (Vec::new(), Vec::new());
    for (call, event) in calls {
        let next = match &call {
            call if event.is_some_and(|event| !call.webhook.wants(event)) => NextState::Unwanted,
            call if call.deadline <= now => NextState::Late,
            _ => {
                kept.push(call);
                continue;
            }
        };
        let challenge = Call::challenge_of(&call.parameters);
        let failure = "not tried in time".into();
        let CallLease { id, node, until, .. } = call;
        let result = CallResult { id, node, until, challenge, next, failure, at: now };
        ended.push(store.settling_calls.run(result));
    }
    try_join_all(ended).await?;
    Ok(kept)
}
