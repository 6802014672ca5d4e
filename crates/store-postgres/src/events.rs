//! Stores the calls of events, in the same command as the change that causes them.

use std::collections::HashMap;

use countersign_domain::challenge::Challenge;
use countersign_domain::ending::Ending;
use countersign_domain::event::{Event, FactorFacts};
use countersign_domain::sid::{ChallengeSid, NotificationSid, ServiceSid};
use countersign_domain::text::FriendlyName;
use countersign_domain::time::Instant;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::TRIED_FOR;
use countersign_store::seam::Answer;
use countersign_store_sql::rows::challenges::challenge_and_name;
use countersign_store_sql::values::parameters_text;
use countersign_store_sql::{challenge_columns, rows, webhook_columns};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::params::{column, id, params, span};
use crate::session::Session;
use crate::statement::{all, exists, factor_of, living};

const OF_SERVICES: &str =
    concat!("SELECT ", webhook_columns!(), " FROM webhooks w WHERE w.service_sid = ANY ($1)");
const OF_CHALLENGES: &str = concat!(
    "SELECT ",
    webhook_columns!(),
    ", c.sid FROM challenges c JOIN webhooks w ON w.service_sid = c.service_sid WHERE c.sid = ANY ($1) AND c.sid BETWEEN $2 AND $3"
);
const NOTIFICATIONS_ARE_WANTED: &str =
    "SELECT 1 FROM webhooks WHERE strpos(event_types, 'notification.') > 0 LIMIT 1";
const CHALLENGES: &str = concat!(
    "SELECT ",
    challenge_columns!(),
    ", coalesce(f.friendly_name, t.friendly_name) FROM challenges c",
    living!("c"),
    factor_of!("c", "factors" as "f"),
    factor_of!("c", "totp_factors" as "t"),
    "WHERE c.sid = ANY ($1) AND c.sid BETWEEN $2 AND $3"
);
/// Reads no other call and locks nothing: which call of a factor comes first is judged when calls are leased.
const INSERT: &str = "INSERT INTO webhook_calls (id, webhook_sid, service_sid, factor_sid, event, parameters, \
                      happened_at, deadline, attempts, state, wake_at) \
                      SELECT u.*, 0, 'due', u.happened_at FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) \
                      AS u (id, webhook_sid, service_sid, factor_sid, event, parameters, happened_at, deadline) \
                      ON CONFLICT DO NOTHING";
/// Watches of challenges. Their parameters are made when they wake.
const WATCH: &str = "INSERT INTO webhook_calls (id, webhook_sid, service_sid, factor_sid, event, challenge_sid, happened_at, \
                     deadline, parameters, attempts, state, wake_at) \
                     SELECT u.*, '[]', 0, 'asleep', u.happened_at FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) \
                     AS u (id, webhook_sid, service_sid, factor_sid, event, challenge_sid, happened_at, deadline) \
                     ON CONFLICT DO NOTHING";

/// A challenge of a living entity, and the name of its factor if that exists.
pub(crate) type NamedChallenge = (Challenge, Option<FriendlyName>);

async fn webhooks(
    db: &Session,
    services: impl Iterator<Item = ServiceSid> + Send,
) -> Result<Vec<Webhook>, DatabaseError> {
    let services: Vec<_> = services.map(|sid| id(sid.as_bytes())).collect();
    all(db, OF_SERVICES, params![services], |row| {
        rows::webhooks::webhook(&mut cells_of(row, "webhooks"))
    })
    .await
}

/// Whether a service has any webhook.
pub(crate) async fn has_webhooks(db: &Session, service: ServiceSid) -> Result<bool, DatabaseError> {
    Ok(!webhooks(db, std::iter::once(service)).await?.is_empty())
}

/// Stores the calls of an event of a factor.
pub(crate) async fn of_factor(
    db: &Session,
    kind: EventType,
    factor: FactorFacts<'_>,
    at: Instant,
) -> Result<(), DatabaseError> {
    let event = Event::of_factor(kind, factor, at);
    let mut calls = Vec::new();
    for webhook in webhooks(db, std::iter::once(event.service())).await? {
        calls.extend(NewCall::of(&webhook, &event));
    }
    store(db, calls).await
}

/// An event of an answered challenge.
pub(crate) struct AnswerEvent<'a> {
    pub(crate) kind: EventType,
    pub(crate) answer: &'a Answer,
}

impl AnswerEvent<'_> {
    const fn sid(&self) -> ChallengeSid {
        self.answer.challenge
    }
}

/// Stores the calls of answered challenges.
pub(crate) async fn of_challenges(
    db: &Session,
    answered: &[AnswerEvent<'_>],
) -> Result<(), DatabaseError> {
    let wanting = wanting(db, answered.iter().map(AnswerEvent::sid)).await?;
    let wanted = |told: &&AnswerEvent<'_>| {
        wanting.iter().any(|(of, webhook)| *of == told.sid() && webhook.wants(told.kind))
    };
    let wanted: Vec<_> = answered.iter().filter(wanted).collect();
    let found = challenges(db, wanted.iter().map(|told| told.sid())).await?;
    let mut calls = Vec::new();
    for told in wanted {
        let (sid, answer) = (told.sid(), told.answer);
        let Some((challenge, name)) = found.get(&sid) else {
            continue;
        };
        let event = Event::of_challenge(told.kind, challenge, name.as_ref(), answer.at);
        let event = event.answered(answer.context());
        let hearing = wanting.iter().filter(|(of, _)| *of == sid);
        calls.extend(hearing.filter_map(|(_, webhook)| NewCall::of(webhook, &event)));
    }
    store(db, calls).await
}

/// A notification that ended.
pub(crate) struct Ended {
    pub(crate) challenge: ChallengeSid,
    pub(crate) sid: NotificationSid,
    pub(crate) ending: Ending,
    pub(crate) at: Instant,
}

/// Stores the calls of notifications that ended.
pub(crate) async fn of_notifications(db: &Session, ended: &[Ended]) -> Result<(), DatabaseError> {
    let told: Vec<&Ended> =
        ended.iter().filter(|ended| EventType::of_ending(ended.ending.status).is_some()).collect();
    if told.is_empty() || !exists(db, NOTIFICATIONS_ARE_WANTED, &[]).await? {
        return Ok(());
    }
    let wanting = wanting(db, told.iter().map(|ended| ended.challenge)).await?;
    let wanted = |ended: &&Ended| {
        let kind = EventType::of_ending(ended.ending.status);
        let wants = |webhook: &Webhook| kind.is_some_and(|kind| webhook.wants(kind));
        wanting.iter().any(|(of, webhook)| *of == ended.challenge && wants(webhook))
    };
    let told: Vec<_> = told.into_iter().filter(wanted).collect();
    let found = challenges(db, told.iter().map(|ended| ended.challenge)).await?;
    let mut calls = Vec::new();
    for ended in told {
        let Some((challenge, name)) = found.get(&ended.challenge) else {
            continue;
        };
        let name = name.as_ref();
        let event = Event::of_notification(ended.sid, ended.ending, challenge, name, ended.at);
        let Some(event) = event else {
            continue;
        };
        let hearing = wanting.iter().filter(|(of, _)| *of == ended.challenge);
        calls.extend(hearing.filter_map(|(_, webhook)| NewCall::of(webhook, &event)));
    }
    store(db, calls).await
}

/// Stores a watch of each challenge for each webhook that is subscribed to expiries.
pub(crate) async fn watch_expiry(db: &Session, opened: &[&Challenge]) -> Result<(), DatabaseError> {
    let kind = EventType::ChallengeExpired;
    let mut webhooks = webhooks(db, opened.iter().map(|opened| opened.owner.service)).await?;
    webhooks.retain(|webhook| webhook.wants(kind));
    let mut watches = Vec::new();
    for challenge in opened {
        let of_service = |webhook: &&Webhook| webhook.service == challenge.owner.service;
        for webhook in webhooks.iter().filter(of_service) {
            let event = Event::of_challenge(kind, challenge, None, challenge.expires_at);
            watches.push((challenge.sid, NewCall::without_parameters(webhook, &event)));
        }
    }
    if watches.is_empty() {
        return Ok(());
    }
    let params = params![
        column(&watches, |(_, call)| call.id),
        column(&watches, |(_, call)| call.webhook),
        column(&watches, |(_, call)| call.service),
        column(&watches, |(_, call)| call.factor),
        column(&watches, |(_, call)| call.event),
        column(&watches, |(challenge, _)| id(challenge.as_bytes())),
        column(&watches, |(_, call)| call.happened_at),
        column(&watches, |(_, call)| call.deadline),
    ];
    db.execute(WATCH, params).await.map(|_| ())
}

/// Reads challenges of living entities.
pub(crate) async fn challenges(
    db: &Session,
    sids: impl Iterator<Item = ChallengeSid> + Send,
) -> Result<HashMap<ChallengeSid, NamedChallenge>, DatabaseError> {
    let sids: Vec<_> = sids.map(|sid| id(sid.as_bytes())).collect();
    if sids.is_empty() {
        return Ok(HashMap::new());
    }
    let read = |row: &Row| {
        let (challenge, name) = challenge_and_name(cells_of(row, "challenges"))?;
        Ok((challenge.sid, (challenge, name)))
    };
    let (first, last) = span(&sids);
    Ok(all(db, CHALLENGES, params![sids, first, last], read).await?.into_iter().collect())
}

/// Reads all webhooks of the services of challenges.
async fn wanting(
    db: &Session,
    sids: impl Iterator<Item = ChallengeSid> + Send,
) -> Result<Vec<(ChallengeSid, Webhook)>, DatabaseError> {
    let sids: Vec<_> = sids.collect();
    let sids = column(&sids, |sid| id(sid.as_bytes()));
    let (first, last) = span(&sids);
    all(db, OF_CHALLENGES, params![sids, first, last], |row| {
        let mut cells = cells_of(row, "webhooks");
        let webhook = rows::webhooks::webhook(&mut cells)?;
        Ok((cells.map(ChallengeSid::from_bytes)?, webhook))
    })
    .await
}

/// A call to store.
struct NewCall {
    id: Uuid,
    webhook: Uuid,
    service: Uuid,
    factor: Uuid,
    event: &'static str,
    parameters: String,
    happened_at: i64,
    deadline: i64,
}

impl NewCall {
    /// The call of an event; `None` if the webhook is not subscribed to it.
    fn of(webhook: &Webhook, event: &Event<'_>) -> Option<Self> {
        let parameters = || parameters_text(&event.parameters(webhook));
        webhook
            .wants(event.kind)
            .then(|| Self { parameters: parameters(), ..Self::without_parameters(webhook, event) })
    }

    /// A call without its parameters.
    fn without_parameters(webhook: &Webhook, event: &Event<'_>) -> Self {
        Self {
            id: id(&event.call_id(webhook.sid).0),
            webhook: id(webhook.sid.as_bytes()),
            service: id(webhook.service.as_bytes()),
            factor: id(event.factor().as_bytes()),
            event: event.kind.as_str(),
            parameters: String::new(),
            happened_at: event.at.as_micros(),
            deadline: (event.at + TRIED_FOR).as_micros(),
        }
    }
}

/// Stores calls with one statement.
async fn store(db: &Session, calls: Vec<NewCall>) -> Result<(), DatabaseError> {
    if calls.is_empty() {
        return Ok(());
    }
    let params = params![
        column(&calls, |call| call.id),
        column(&calls, |call| call.webhook),
        column(&calls, |call| call.service),
        column(&calls, |call| call.factor),
        column(&calls, |call| call.event),
        column(&calls, |call| call.parameters.as_str()),
        column(&calls, |call| call.happened_at),
        column(&calls, |call| call.deadline),
    ];
    db.execute(INSERT, params).await.map(|_| ())
}
