//! Stores the calls of events, in the same command as the change that causes them.

use countersign_domain::answer_context::AnswerContext;
use countersign_domain::challenge::Challenge;
use countersign_domain::ending::Ending;
use countersign_domain::event::{Event, FactorFacts};
use countersign_domain::sid::{ChallengeSid, NotificationSid, ServiceSid};
use countersign_domain::text::FriendlyName;
use countersign_domain::time::Instant;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::TRIED_FOR;
use countersign_store_sql::values::parameters_text;
use countersign_store_sql::{challenge_columns, rows, webhook_columns};
use rusqlite::{Connection, params};

use crate::call_order::state_of_new;
use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::statement::{all, execute, exists, living, one, statements};

statements! {
    OF_SERVICE = concat!("SELECT ", webhook_columns!(), " FROM webhooks w WHERE w.service_sid = ?1");
    OF_CHALLENGE = concat!(
        "SELECT ", webhook_columns!(), " FROM challenges c JOIN webhooks w ON w.service_sid = c.service_sid ",
        "WHERE c.sid = ?1"
    );
    /// Any webhook, from the least service on.
    NOTIFICATIONS_ARE_WANTED = "SELECT 1 FROM webhooks INDEXED BY webhooks_of_notifications \
                                WHERE service_sid >= ?1 AND instr(event_types, 'notification.') > 0";
    CHALLENGE = concat!(
        "SELECT ", challenge_columns!(), ", coalesce(f.friendly_name, t.friendly_name) FROM challenges c", living!("c"),
        "LEFT JOIN factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid ",
        "LEFT JOIN totp_factors t ON t.entity_sid = c.entity_sid AND t.sid = c.factor_sid WHERE c.sid = ?1"
    );
    INSERT = "INSERT INTO webhook_calls (id, webhook_sid, service_sid, factor_sid, event, parameters, happened_at, \
              deadline, attempts, state, wake_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?7) \
              ON CONFLICT DO NOTHING";
    /// A watch of a challenge. Its parameters are made when it wakes.
    WATCH = "INSERT INTO webhook_calls (id, webhook_sid, service_sid, factor_sid, challenge_sid, event, parameters, \
             happened_at, deadline, attempts, state, wake_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, '[]', ?7, ?8, 0, 'asleep', ?7) \
             ON CONFLICT DO NOTHING";
}

fn webhooks(db: &Connection, service: ServiceSid) -> Result<Vec<Webhook>, DatabaseError> {
    all(db, OF_SERVICE, [service.as_bytes()], |row| {
        rows::webhooks::webhook(&mut cells_of(row, "webhooks"))
    })
}

/// Whether a service has any webhook.
pub(crate) fn has_webhooks(db: &Connection, service: ServiceSid) -> Result<bool, DatabaseError> {
    exists(db, OF_SERVICE, [service.as_bytes()])
}

/// Stores the calls of an event of a factor.
pub(crate) fn of_factor<'a>(
    db: &Connection,
    kind: EventType,
    factor: impl Into<FactorFacts<'a>>,
    at: Instant,
) -> Result<(), DatabaseError> {
    let event = Event::of_factor(kind, factor.into(), at);
    let webhooks = webhooks(db, event.service())?;
    webhooks.iter().try_for_each(|webhook| tell(db, webhook, &event))
}

/// Stores the calls of an answered challenge.
pub(crate) fn of_challenge(
    db: &Connection,
    kind: EventType,
    sid: ChallengeSid,
    answer: AnswerContext,
    at: Instant,
) -> Result<(), DatabaseError> {
    let wanting = wanting(db, kind, sid)?;
    if wanting.is_empty() {
        return Ok(());
    }
    let Some((challenge, name)) = challenge(db, sid)? else {
        return Ok(());
    };
    let event = Event::of_challenge(kind, &challenge, name.as_ref(), at).answered(answer);
    wanting.iter().try_for_each(|webhook| tell(db, webhook, &event))
}

/// Stores the calls of a notification that ended.
pub(crate) fn of_notification(
    db: &Connection,
    sid: ChallengeSid,
    notification: impl FnOnce() -> Result<Option<NotificationSid>, DatabaseError>,
    ending: Ending,
    at: Instant,
) -> Result<(), DatabaseError> {
    let Some(kind) = EventType::of_ending(ending.status) else {
        return Ok(());
    };
    if !notifications_are_wanted(db)? {
        return Ok(());
    }
    let wanting = wanting(db, kind, sid)?;
    if wanting.is_empty() {
        return Ok(());
    }
    let (Some((challenge, name)), Some(notification)) = (challenge(db, sid)?, notification()?)
    else {
        return Ok(());
    };
    let event = Event::of_notification(notification, ending, &challenge, name.as_ref(), at);
    let Some(event) = event else {
        return Ok(());
    };
    wanting.iter().try_for_each(|webhook| tell(db, webhook, &event))
}

/// Whether any webhook is subscribed to endings of notifications.
pub(crate) fn notifications_are_wanted(db: &Connection) -> Result<bool, DatabaseError> {
    exists(db, NOTIFICATIONS_ARE_WANTED, [[0_u8; 0].as_slice()])
}

/// Stores a watch of a challenge for each webhook that is subscribed to expiries.
pub(crate) fn watch_expiry(db: &Connection, challenge: &Challenge) -> Result<(), DatabaseError> {
    let kind = EventType::ChallengeExpired;
    for webhook in webhooks(db, challenge.owner.service)? {
        if !webhook.wants(kind) {
            continue;
        }
        let event = Event::of_challenge(kind, challenge, None, challenge.expires_at);
        execute(
            db,
            WATCH,
            params![
                event.call_id(webhook.sid).0,
                webhook.sid.as_bytes(),
                webhook.service.as_bytes(),
                challenge.factor.as_bytes(),
                challenge.sid.as_bytes(),
                kind.as_str(),
                event.at.as_micros(),
                (event.at + TRIED_FOR).as_micros(),
            ],
        )?;
    }
    Ok(())
}

/// Reads a challenge of a living entity, and the name of its factor if that exists.
pub(crate) fn challenge(
    db: &Connection,
    sid: ChallengeSid,
) -> Result<Option<(Challenge, Option<FriendlyName>)>, DatabaseError> {
    one(db, CHALLENGE, [sid.as_bytes()], |row| {
        rows::challenges::challenge_and_name(cells_of(row, "challenges"))
    })
}

fn wanting(
    db: &Connection,
    kind: EventType,
    sid: ChallengeSid,
) -> Result<Vec<Webhook>, DatabaseError> {
    let mut all = all(db, OF_CHALLENGE, [sid.as_bytes()], |row| {
        rows::webhooks::webhook(&mut cells_of(row, "webhooks"))
    })?;
    all.retain(|webhook| webhook.wants(kind));
    Ok(all)
}

fn tell(db: &Connection, webhook: &Webhook, event: &Event<'_>) -> Result<(), DatabaseError> {
    if !webhook.wants(event.kind) {
        return Ok(());
    }
    let factor = event.factor();
    execute(
        db,
        INSERT,
        params![
            event.call_id(webhook.sid).0,
            webhook.sid.as_bytes(),
            webhook.service.as_bytes(),
            factor.as_bytes(),
            event.kind.as_str(),
            parameters_text(&event.parameters(webhook)),
            event.at.as_micros(),
            (event.at + TRIED_FOR).as_micros(),
            state_of_new(db, webhook.sid.as_bytes(), factor.as_bytes())?,
        ],
    )?;
    Ok(())
}
