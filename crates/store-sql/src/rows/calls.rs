//! The calls of webhooks.

use countersign_domain::attention::CallCounts;
use countersign_domain::call_response::CallResponse;
use countersign_domain::event::CallId;
use countersign_domain::sid::{ChallengeSid, ServiceSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::Webhook;
use countersign_domain::webhook_call::{Call, CallState, FailingWebhook, TakenCall};
use countersign_store::page::{Cursor, Side};
use countersign_store::seam::{CallCursor, CallList, WebhookState};

use crate::cells::{Cells, RowResult, SqlRow};

/// Reads a webhook with its calls: service, SID, name, how many calls wait, since when, how many of them failed, how many were given
/// up, and the error of one.
///
/// # Errors
/// A cell is corrupt.
pub fn webhook_state<R: SqlRow>(mut cells: Cells<R>) -> RowResult<WebhookState> {
    Ok(WebhookState {
        service: cells.map(ServiceSid::from_bytes)?,
        webhook: cells.map(WebhookSid::from_bytes)?,
        name: cells.take()?,
        calls: CallCounts {
            waiting: cells.take()?,
            oldest: cells.map_if_any(Instant::from_micros)?,
            failing: cells.take()?,
            given_up: cells.take()?,
        },
        error: cells.take()?,
    })
}

/// The columns of [`call`].
#[macro_export]
macro_rules! call_columns {
    () => {
        "id, event, challenge_sid, parameters, happened_at, attempts, state, wake_at, last_error, last_response"
    };
}

/// Reads a call.
///
/// # Errors
/// A cell is corrupt.
pub fn call<R: SqlRow>(mut cells: Cells<R>) -> RowResult<Call> {
    let (id, event) = (cells.map(CallId)?, cells.take()?);
    let watched = cells.map_if_any(ChallengeSid::from_bytes)?;
    let named = cells.parse(|text| {
        let parameters: Vec<(String, String)> = serde_json::from_str(text).ok()?;
        Some(Call::challenge_of(&parameters))
    })?;
    Ok(Call {
        id,
        event,
        challenge: watched.or(named),
        happened_at: cells.map(Instant::from_micros)?,
        attempts: cells.take()?,
        state: cells.parse(CallState::from_word)?,
        wake_at: cells.map(Instant::from_micros)?,
        last_error: cells.take()?,
        last_response: cells.parse_if_any(|text| serde_json::from_str(text).ok())?,
    })
}

/// The columns of [`taken_call`].
#[macro_export]
macro_rules! taken_call_columns {
    () => {
        "id, webhook_sid, event, happened_at, attempts, taken_at, status"
    };
}

/// Reads a call that was taken.
///
/// # Errors
/// A cell is corrupt.
pub fn taken_call<R: SqlRow>(mut cells: Cells<R>) -> RowResult<TakenCall> {
    Ok(TakenCall {
        id: cells.map(CallId)?,
        webhook: cells.map(WebhookSid::from_bytes)?,
        event: cells.take()?,
        happened_at: cells.map(Instant::from_micros)?,
        attempts: cells.take()?,
        taken_at: cells.map(Instant::from_micros)?,
        status: cells.take()?,
    })
}

/// The cell of a response.
pub fn response_cell(response: Option<&CallResponse>) -> Option<String> {
    response.map(|response| serde_json::to_string(response).expect("a response is plain data"))
}

/// Reads two cells: a webhook and its service.
///
/// # Errors
/// A cell is corrupt.
pub fn webhook_and_service<R: SqlRow>(mut cells: Cells<R>) -> RowResult<(WebhookSid, ServiceSid)> {
    Ok((cells.map(WebhookSid::from_bytes)?, cells.map(ServiceSid::from_bytes)?))
}

/// How a page of a list is read.
#[derive(Debug, Clone, Copy)]
pub struct CallPage {
    /// Whether the earliest calls come first as they are read.
    pub upwards: bool,
    /// The `wake_at` and the id beyond which the page is read.
    pub beyond: (i64, [u8; 16]),
    backwards: bool,
}

impl CallPage {
    /// The page at a cursor, or the first one.
    pub fn at(list: CallList, at: Option<Cursor<CallCursor>>) -> Self {
        let backwards = at.is_some_and(|at| at.side == Side::Before);
        let upwards = (list == CallList::Failing) != backwards;
        let start = if upwards { i64::MIN } else { i64::MAX };
        let beyond = at.map_or((start, [0; 16]), |at| (at.sid.wake_at.as_micros(), at.sid.id.0));
        Self { upwards, beyond, backwards }
    }

    /// Puts the calls that were read into the order of the list.
    pub fn in_order(self, mut calls: Vec<Call>) -> Vec<Call> {
        if self.backwards {
            calls.reverse();
        }
        calls
    }
}

/// A call that failed at least once.
#[derive(Debug, Clone)]
pub struct FailedCall {
    state: String,
    wake_at: Instant,
    error: String,
}

impl FailedCall {
    /// Reads the cells `state, wake_at, last_error`.
    ///
    /// # Errors
    /// A cell is corrupt.
    pub fn read<R: SqlRow>(mut cells: Cells<R>) -> RowResult<Self> {
        Ok(Self {
            state: cells.take()?,
            wake_at: cells.map(Instant::from_micros)?,
            error: cells.take()?,
        })
    }
}

/// Summarizes the failed calls of a webhook; `None` without any.
pub fn failing_webhook(webhook: &Webhook, calls: Vec<FailedCall>) -> Option<FailingWebhook> {
    let mut found = FailingWebhook {
        webhook: webhook.sid,
        service: webhook.service,
        url: webhook.url.as_str().to_owned(),
        waiting: 0,
        given_up: 0,
        last_error: String::new(),
        next_try: None,
    };
    for call in calls {
        if call.state == "failed" {
            found.given_up += 1;
        } else {
            found.waiting += 1;
            found.next_try = Some(found.next_try.map_or(call.wake_at, |at| at.min(call.wake_at)));
        }
        found.last_error = call.error;
    }
    (found.waiting + found.given_up > 0).then_some(found)
}
