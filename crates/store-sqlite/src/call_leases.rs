//! The command that leases calls.

use countersign_domain::call_permits::{DueWebhook, MAX_IN_FLIGHT};
use countersign_domain::challenge::ChallengeState;
use countersign_domain::event::{CallId, Event};
use countersign_domain::sid::{ChallengeSid, ServiceSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::CallLease;
use countersign_store::seam::{CallsFound, CallsWanted, WEBHOOKS_PER_LOOK};
use countersign_store_sql::rows::calls::webhook_and_service;
use countersign_store_sql::values::{limit, parameters_text};
use countersign_store_sql::{rows, webhook_columns};
use rusqlite::{Connection, params};

use crate::call_order::state_of_new;
use crate::call_results::{finish, give_up_late};
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::events;
use crate::statement::{all, execute, exists, one, statements};

statements! {
    ASLEEP = "SELECT id, webhook_sid, service_sid, factor_sid, challenge_sid FROM webhook_calls \
              WHERE state = 'asleep' AND wake_at <= ?1 ORDER BY wake_at LIMIT ?2";
    WAKE = "UPDATE webhook_calls SET state = ?2, parameters = ?3, challenge_sid = NULL WHERE id = ?1";
    RUN_OUT = "UPDATE webhook_calls SET state = 'due', node = NULL WHERE rowid IN (SELECT rowid FROM webhook_calls \
               INDEXED BY webhook_calls_by_waking WHERE state = 'leased' AND wake_at <= ?1 LIMIT ?2)";
    /// The next webhook with due calls, due by now or later.
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
    /// The waiting calls of a webhook that is deleted or disabled. No other call becomes due, since all of them are removed.
    DROP_WAITING = "DELETE FROM webhook_calls WHERE rowid IN (SELECT rowid FROM webhook_calls \
                    INDEXED BY webhook_calls_of_webhook WHERE webhook_sid = ?1 AND (state = 'due' OR state = 'behind') LIMIT ?2)";
    LEASE = "UPDATE webhook_calls SET state = 'leased', node = ?2, wake_at = ?3 WHERE id = ?1";
    FORGET_WATCH = "DELETE FROM webhook_calls WHERE id = ?1";
}

/// The most calls that one look wakes, makes due again or removes.
const BATCH: usize = 512;

/// Leases calls.
pub(crate) struct Lease(pub(crate) CallsWanted);

impl Lease {
    /// Makes calls of the watched challenges that expired, and removes the watches of others. Returns how many were looked at.
    fn wake(&self, db: &Connection) -> Result<usize, DatabaseError> {
        let params = params![self.0.now.as_micros(), limit(BATCH)];
        let asleep = all(db, ASLEEP, params, |row| {
            let mut cells = cells_of(row, "webhook_calls");
            Ok((
                cells.take::<[u8; 16]>()?,
                cells.map(WebhookSid::from_bytes)?,
                cells.map(ServiceSid::from_bytes)?,
                cells.take::<[u8; 16]>()?,
                cells.map(ChallengeSid::from_bytes)?,
            ))
        })?;
        let looked_at = asleep.len();
        for (id, webhook, service, factor, challenge) in asleep {
            let webhook = living(db, service, webhook)?;
            let found = events::challenge(db, challenge)?
                .filter(|(challenge, _)| challenge.state == ChallengeState::Pending);
            let (Some(webhook), Some((challenge, name))) = (webhook, found) else {
                execute(db, FORGET_WATCH, [id])?;
                continue;
            };
            let kind = EventType::ChallengeExpired;
            let event = Event::of_challenge(kind, &challenge, name.as_ref(), challenge.expires_at);
            let text = parameters_text(&event.parameters(&webhook));
            let state = state_of_new(db, webhook.sid.as_bytes(), &factor)?;
            execute(db, WAKE, params![id, state, text])?;
        }
        Ok(looked_at)
    }

    /// The webhooks with due calls, from the last turn on and around, and whether these are all.
    fn waiting(&self, db: &Connection) -> Result<(Vec<Passed>, bool), DatabaseError> {
        let (turn, mut passed) = (self.0.turn, Vec::new());
        let mut last = *turn.as_bytes();
        let mut is_around = false;
        while passed.len() < WEBHOOKS_PER_LOOK {
            let next = one(db, NEXT_WEBHOOK, [last], |row| {
                webhook_and_service(cells_of(row, "webhook_calls"))
            })?;
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
    fn room(&self, db: &Connection, sid: WebhookSid) -> Result<Option<usize>, DatabaseError> {
        if !exists(db, IS_DUE, params![sid.as_bytes(), self.0.now.as_micros()])? {
            return Ok(None);
        }
        let in_flight = one(db, IN_FLIGHT, params![sid.as_bytes(), limit(MAX_IN_FLIGHT)], |row| {
            cells_of(row, "webhook_calls").take::<u32>()
        })?;
        let in_flight = usize::try_from(in_flight.unwrap_or(0)).unwrap_or(MAX_IN_FLIGHT);
        Ok(Some(self.0.concurrency.limit(sid).saturating_sub(in_flight)))
    }

    /// Leases up to `room` calls of one webhook. Returns them, and whether any call ended instead, because the webhook is not
    /// subscribed to it or its deadline has passed.
    fn of_webhook(
        &self,
        db: &Connection,
        webhook: &Webhook,
        room: usize,
    ) -> Result<(Vec<CallLease>, bool), DatabaseError> {
        let CallsWanted { node, now, until, .. } = self.0;
        let params = params![webhook.sid.as_bytes(), now.as_micros(), limit(room)];
        let due = all(db, DUE, params, |row| {
            let mut cells = cells_of(row, "webhook_calls");
            Ok((
                cells.map(CallId)?,
                cells.parse(|word| Some(word.parse::<EventType>().ok()))?,
                cells.parse(|text| serde_json::from_str(text).ok())?,
                cells.take()?,
                cells.map(Instant::from_micros)?,
            ))
        })?;
        let found = due.len();
        let mut leases = Vec::new();
        for (id, event, parameters, attempts, deadline) in due {
            // An event type of a newer release was stored for a webhook that is subscribed to it.
            if event.is_some_and(|event| !webhook.wants(event)) {
                finish(db, id)?;
                continue;
            }
            if deadline <= now {
                give_up_late(db, id, now)?;
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

/// A webhook that a look visits, if it still exists.
struct Passed {
    sid: WebhookSid,
    webhook: Option<Webhook>,
}

impl Command for Lease {
    type Output = CallsFound;

    fn run(&self, db: &Connection) -> Result<CallsFound, DatabaseError> {
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

/// Reads a webhook of a living service.
pub(crate) fn living(
    db: &Connection,
    service: ServiceSid,
    sid: WebhookSid,
) -> Result<Option<Webhook>, DatabaseError> {
    one(db, WEBHOOK, [service.as_bytes(), sid.as_bytes()], |row| {
        rows::webhooks::webhook(&mut cells_of(row, "webhooks"))
    })
}
