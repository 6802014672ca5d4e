//! Events become calls here, in the same command as the change that causes them.

use countersign_domain::challenge::Challenge;
use countersign_domain::ending::Ending;
use countersign_domain::event::{Event, FactorFacts};
use countersign_domain::sid::{ChallengeSid, NotificationSid, ServiceSid};
use countersign_domain::text::FriendlyName;
use countersign_domain::time::Instant;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::TRIED_FOR;
use rusqlite::{Connection, params};

use crate::cells::Cells;
use crate::rows::{self, challenge_columns, webhook_columns};
use crate::statement::{all, execute, exists, living, one, statements};
use crate::trouble::Trouble;

statements! {
    OF_SERVICE = concat!("SELECT ", webhook_columns!(), " FROM webhooks w WHERE w.service_sid = ?1");
    OF_CHALLENGE = concat!(
        "SELECT ", webhook_columns!(), " FROM challenges c JOIN webhooks w ON w.service_sid = c.service_sid ",
        "WHERE c.sid = ?1"
    );
    /// From the least service on: any.
    NOTIFICATIONS_ARE_WANTED = "SELECT 1 FROM webhooks INDEXED BY webhooks_of_notifications \
                                WHERE service_sid >= ?1 AND instr(event_types, 'notification.') > 0";
    CHALLENGE = concat!(
        "SELECT ", challenge_columns!(), ", coalesce(f.friendly_name, t.friendly_name) FROM challenges c", living!("c"),
        "LEFT JOIN factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid ",
        "LEFT JOIN totp_factors t ON t.entity_sid = c.entity_sid AND t.sid = c.factor_sid WHERE c.sid = ?1"
    );
    /// Of one webhook and factor, what is still to be done, whose turn it is.
    IN_FRONT = "SELECT 1 FROM webhook_calls WHERE webhook_sid = ?1 AND factor_sid = ?2 AND (state = 'due' OR state = 'leased')";
    INSERT = "INSERT INTO webhook_calls (id, webhook_sid, service_sid, factor_sid, event, parameters, happened_at, \
              deadline, attempts, state, wake_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?7) \
              ON CONFLICT DO NOTHING";
    /// What it says is known when it wakes.
    WATCH = "INSERT INTO webhook_calls (id, webhook_sid, service_sid, factor_sid, challenge_sid, event, parameters, \
             happened_at, deadline, attempts, state, wake_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, '[]', ?7, ?8, 0, 'asleep', ?7) \
             ON CONFLICT DO NOTHING";
}

fn webhooks(db: &Connection, service: ServiceSid) -> Result<Vec<Webhook>, Trouble> {
    all(db, OF_SERVICE, [service.as_bytes()], |row| rows::webhook(Cells::of(row, "webhooks")))
}

/// Whether a service has any webhook.
pub(crate) fn has_webhooks(db: &Connection, service: ServiceSid) -> Result<bool, Trouble> {
    exists(db, OF_SERVICE, [service.as_bytes()])
}

/// Tells those who want to hear of what happened to a factor.
pub(crate) fn of_factor<'a>(
    db: &Connection,
    kind: EventType,
    factor: impl Into<FactorFacts<'a>>,
    at: Instant,
) -> Result<(), Trouble> {
    let event = Event::of_factor(kind, factor.into(), at);
    let webhooks = webhooks(db, event.service())?;
    webhooks.iter().try_for_each(|webhook| tell(db, webhook, &event))
}

/// Tells those who want to hear that a challenge was answered.
pub(crate) fn of_challenge(
    db: &Connection,
    kind: EventType,
    sid: ChallengeSid,
    at: Instant,
) -> Result<(), Trouble> {
    let wanting = wanting(db, kind, sid)?;
    if wanting.is_empty() {
        return Ok(());
    }
    let Some((challenge, name)) = challenge(db, sid)? else {
        return Ok(());
    };
    let event = Event::of_challenge(kind, &challenge, name.as_ref(), at);
    wanting.iter().try_for_each(|webhook| tell(db, webhook, &event))
}

/// Tells those who want to hear how a notification ended.
pub(crate) fn of_notification(
    db: &Connection,
    sid: ChallengeSid,
    notification: impl FnOnce() -> Result<Option<NotificationSid>, Trouble>,
    ending: Ending,
    at: Instant,
) -> Result<(), Trouble> {
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

/// Whether any webhook wants to hear how notifications end.
pub(crate) fn notifications_are_wanted(db: &Connection) -> Result<bool, Trouble> {
    exists(db, NOTIFICATIONS_ARE_WANTED, [[0_u8; 0].as_slice()])
}

/// Has a challenge looked at when it expires, if anybody wants to hear of that.
pub(crate) fn watch_expiry(db: &Connection, challenge: &Challenge) -> Result<(), Trouble> {
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

/// A challenge of a living entity, and the name of its factor if that is there.
pub(crate) fn challenge(
    db: &Connection,
    sid: ChallengeSid,
) -> Result<Option<(Challenge, Option<FriendlyName>)>, Trouble> {
    one(db, CHALLENGE, [sid.as_bytes()], |row| {
        let mut cells = Cells::of(row, "challenges");
        let challenge = rows::challenge(&mut cells)?;
        let name = cells.then("factors").parse_if_any(|text| FriendlyName::parse(text).ok())?;
        Ok((challenge, name))
    })
}

fn wanting(db: &Connection, kind: EventType, sid: ChallengeSid) -> Result<Vec<Webhook>, Trouble> {
    let mut all =
        all(db, OF_CHALLENGE, [sid.as_bytes()], |row| rows::webhook(Cells::of(row, "webhooks")))?;
    all.retain(|webhook| webhook.wants(kind));
    Ok(all)
}

/// Whose turn a new call is in: its own, or that of an earlier one of the same webhook and factor.
pub(crate) fn turn(
    db: &Connection,
    webhook: &[u8; 16],
    factor: &[u8; 16],
) -> Result<&'static str, Trouble> {
    Ok(if exists(db, IN_FRONT, [webhook, factor])? { "behind" } else { "due" })
}

fn tell(db: &Connection, webhook: &Webhook, event: &Event<'_>) -> Result<(), Trouble> {
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
            text(&event.parameters(webhook)),
            event.at.as_micros(),
            (event.at + TRIED_FOR).as_micros(),
            turn(db, webhook.sid.as_bytes(), factor.as_bytes())?,
        ],
    )?;
    Ok(())
}

/// Parameters as the column keeps them.
pub(crate) fn text(parameters: &[(String, String)]) -> String {
    serde_json::json!(parameters).to_string()
}
