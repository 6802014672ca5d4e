//! Events become calls here, in the same command as the change that causes them.

use std::collections::HashMap;

use countersign_domain::challenge::Challenge;
use countersign_domain::event::{Event, FactorFacts};
use countersign_domain::notification::Ending;
use countersign_domain::sid::{ChallengeSid, FactorSid, NotificationSid, ServiceSid, WebhookSid};
use countersign_domain::text::FriendlyName;
use countersign_domain::time::Instant;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::TRIED_FOR;
use tokio_postgres::Row;

use crate::cells::Cells;
use crate::database::Session;
use crate::params::{column, id, params, span};
use crate::rows::{self, challenge_columns, webhook_columns};
use crate::statement::{all, exists, factor_of, living};
use crate::trouble::Trouble;

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
/// Whoever looks at the line of a factor's calls, or changes who is in front, keeps the others from it until the end of the
/// transaction.
const HOLD_LINE: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 0))";
/// Of one webhook and factor, what is still to be done, whose turn it is.
const IN_FRONT: &str = "SELECT 1 FROM webhook_calls WHERE webhook_sid = $1 AND factor_sid = $2 \
                        AND state IN ('due', 'leased') LIMIT 1";
const INSERT: &str = "INSERT INTO webhook_calls (id, webhook_sid, service_sid, factor_sid, event, parameters, \
                      happened_at, deadline, attempts, state, wake_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $7) ON CONFLICT DO NOTHING";
/// What it says is known when it wakes.
const WATCH: &str = "INSERT INTO webhook_calls (id, webhook_sid, service_sid, factor_sid, challenge_sid, event, \
                     parameters, happened_at, deadline, attempts, state, wake_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, '[]', $7, $8, 0, 'asleep', $7) ON CONFLICT DO NOTHING";

/// A challenge of a living entity, and the name of its factor if that is there.
pub(crate) type Told = (Challenge, Option<FriendlyName>);

async fn webhooks(
    db: &Session,
    services: impl Iterator<Item = ServiceSid> + Send,
) -> Result<Vec<Webhook>, Trouble> {
    let services: Vec<_> = services.map(|sid| id(sid.as_bytes())).collect();
    all(db, OF_SERVICES, params![services], |row| rows::webhook(Cells::of(row, "webhooks"))).await
}

/// Whether a service has any webhook.
pub(crate) async fn has_webhooks(db: &Session, service: ServiceSid) -> Result<bool, Trouble> {
    Ok(!webhooks(db, std::iter::once(service)).await?.is_empty())
}

/// Tells those who want to hear of what happened to a factor.
pub(crate) async fn of_factor(
    db: &Session,
    kind: EventType,
    factor: FactorFacts<'_>,
    at: Instant,
) -> Result<(), Trouble> {
    let event = Event::of_factor(kind, factor, at);
    for webhook in webhooks(db, std::iter::once(event.service())).await? {
        tell(db, &webhook, &event).await?;
    }
    Ok(())
}

/// Tells those who want to hear that challenges were answered.
pub(crate) async fn of_challenges(
    db: &Session,
    answered: &[(EventType, ChallengeSid, Instant)],
) -> Result<(), Trouble> {
    let wanting = wanting(db, answered.iter().map(|(_, sid, _)| *sid)).await?;
    let wanted = |(kind, sid, _): &&(EventType, ChallengeSid, Instant)| {
        wanting.iter().any(|(of, webhook)| of == sid && webhook.wants(*kind))
    };
    let wanted: Vec<_> = answered.iter().filter(wanted).collect();
    let told = challenges(db, wanted.iter().map(|(_, sid, _)| *sid)).await?;
    for (kind, sid, at) in wanted {
        let Some((challenge, name)) = told.get(sid) else {
            continue;
        };
        let event = Event::of_challenge(*kind, challenge, name.as_ref(), *at);
        for (_, webhook) in wanting.iter().filter(|(of, _)| of == sid) {
            tell(db, webhook, &event).await?;
        }
    }
    Ok(())
}

/// A notification that ended.
pub(crate) struct Ended {
    pub(crate) challenge: ChallengeSid,
    pub(crate) sid: NotificationSid,
    pub(crate) ending: Ending,
    pub(crate) at: Instant,
}

/// Tells those who want to hear how notifications ended.
pub(crate) async fn of_notifications(db: &Session, ended: &[Ended]) -> Result<(), Trouble> {
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
    for ended in told {
        let Some((challenge, name)) = found.get(&ended.challenge) else {
            continue;
        };
        let name = name.as_ref();
        let event = Event::of_notification(ended.sid, ended.ending, challenge, name, ended.at);
        let Some(event) = event else {
            continue;
        };
        for (_, webhook) in wanting.iter().filter(|(of, _)| *of == ended.challenge) {
            tell(db, webhook, &event).await?;
        }
    }
    Ok(())
}

/// Has challenges looked at when they expire, if anybody wants to hear of that.
pub(crate) async fn watch_expiry(db: &Session, opened: &[&Challenge]) -> Result<(), Trouble> {
    let kind = EventType::ChallengeExpired;
    let mut webhooks = webhooks(db, opened.iter().map(|opened| opened.owner.service)).await?;
    webhooks.retain(|webhook| webhook.wants(kind));
    for challenge in opened {
        let of_service = |webhook: &&Webhook| webhook.service == challenge.owner.service;
        for webhook in webhooks.iter().filter(of_service) {
            let event = Event::of_challenge(kind, challenge, None, challenge.expires_at);
            let call = params![
                id(&event.call_id(webhook.sid).0),
                id(webhook.sid.as_bytes()),
                id(webhook.service.as_bytes()),
                id(challenge.factor.as_bytes()),
                id(challenge.sid.as_bytes()),
                kind.as_str(),
                event.at.as_micros(),
                (event.at + TRIED_FOR).as_micros(),
            ];
            db.execute(WATCH, call).await?;
        }
    }
    Ok(())
}

/// Those of them that are of living entities.
pub(crate) async fn challenges(
    db: &Session,
    sids: impl Iterator<Item = ChallengeSid> + Send,
) -> Result<HashMap<ChallengeSid, Told>, Trouble> {
    let sids: Vec<_> = sids.map(|sid| id(sid.as_bytes())).collect();
    if sids.is_empty() {
        return Ok(HashMap::new());
    }
    let read = |row: &Row| {
        let mut cells = Cells::of(row, "challenges");
        let challenge = rows::challenge(&mut cells)?;
        let name = cells.then("factors").parse_if_any(|text| FriendlyName::parse(text).ok())?;
        Ok((challenge.sid, (challenge, name)))
    };
    let (first, last) = span(&sids);
    Ok(all(db, CHALLENGES, params![sids, first, last], read).await?.into_iter().collect())
}

/// All webhooks that might hear of those challenges.
async fn wanting(
    db: &Session,
    sids: impl Iterator<Item = ChallengeSid> + Send,
) -> Result<Vec<(ChallengeSid, Webhook)>, Trouble> {
    let sids: Vec<_> = sids.collect();
    let sids = column(&sids, |sid| id(sid.as_bytes()));
    let (first, last) = span(&sids);
    all(db, OF_CHALLENGES, params![sids, first, last], |row| {
        let mut cells = Cells::of(row, "webhooks");
        let webhook = rows::webhook_of(&mut cells)?;
        Ok((cells.make(ChallengeSid::from_bytes)?, webhook))
    })
    .await
}

/// Keeps others from the line of a factor's calls.
pub(crate) async fn hold_line(db: &Session, factor: FactorSid) -> Result<(), Trouble> {
    db.query(HOLD_LINE, params![id(factor.as_bytes())]).await.map(|_| ())
}

/// Whose turn a new call is in, of a line that is held: its own, or that of an earlier one of the same webhook and factor.
pub(crate) async fn turn(
    db: &Session,
    webhook: WebhookSid,
    factor: FactorSid,
) -> Result<&'static str, Trouble> {
    let key = params![id(webhook.as_bytes()), id(factor.as_bytes())];
    Ok(if exists(db, IN_FRONT, key).await? { "behind" } else { "due" })
}

async fn tell(db: &Session, webhook: &Webhook, event: &Event<'_>) -> Result<(), Trouble> {
    if !webhook.wants(event.kind) {
        return Ok(());
    }
    let factor = event.factor();
    hold_line(db, factor).await?;
    let turn = turn(db, webhook.sid, factor).await?;
    let call = params![
        id(&event.call_id(webhook.sid).0),
        id(webhook.sid.as_bytes()),
        id(webhook.service.as_bytes()),
        id(factor.as_bytes()),
        event.kind.as_str(),
        text(&event.parameters(webhook)),
        event.at.as_micros(),
        (event.at + TRIED_FOR).as_micros(),
        turn,
    ];
    db.execute(INSERT, call).await.map(|_| ())
}

/// Parameters as the column keeps them.
pub(crate) fn text(parameters: &[(String, String)]) -> String {
    serde_json::json!(parameters).to_string()
}
