//! Values as columns hold them.

use countersign_domain::delivery::{InitialState, NewNotification};
use countersign_domain::ending::{Ending, StatusReason};
use countersign_domain::settled::DeliveryEvent;
use countersign_domain::webhook::Webhook;
use countersign_store::error::{StoreError, StoreResult};
use countersign_store::seam::Inserted;

/// A number of rows for `LIMIT`.
pub fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// A value as JSON text.
///
/// # Errors
/// The value cannot be written as JSON.
pub fn json<T: serde::Serialize>(value: &T) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// The result of an insertion that writes no row if one with the same key exists.
pub const fn inserted(rows: usize) -> Inserted {
    if rows == 0 { Inserted::NotUnique } else { Inserted::Done }
}

/// The event types of a webhook.
pub fn event_words(webhook: &Webhook) -> String {
    let words: Vec<_> = webhook.event_types.iter().map(|event| event.as_str()).collect();
    words.join(" ")
}

/// The parameters of a call.
pub fn parameters_text(parameters: &[(String, String)]) -> String {
    serde_json::json!(parameters).to_string()
}

/// The time step of a code. Steps are far below the bound: seconds since 1970, divided by at least 20.
pub fn step_number(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

/// The three cells of an ending: status, reason and code.
pub type EndingCells = (Option<&'static str>, Option<&'static str>, Option<i64>);

/// The cells of an ending; all NULL without one.
pub fn ending_cells(ending: Option<Ending>) -> EndingCells {
    (
        ending.map(|ending| ending.status.as_str()),
        ending.and_then(|ending| ending.reason).map(StatusReason::as_str),
        ending.and_then(|ending| ending.code).map(|code| i64::from(code.0)),
    )
}

/// The ending that a notification is stored with.
pub const fn initial_ending(new: &NewNotification) -> Option<Ending> {
    match new.initial_state {
        InitialState::Ended(ending) => Some(ending),
        InitialState::Leased { .. }
        | InitialState::Due
        | InitialState::Parked
        | InitialState::Immediate => None,
    }
}

/// The state that a notification's delivery is stored with, and when it wakes; `None` if it has no delivery. A parked delivery
/// wakes at its deadline.
pub fn initial_state(new: &NewNotification) -> Option<(&'static str, i64)> {
    let deadline = new.delivery.deadline;
    let (state, wake_at) = match new.initial_state {
        InitialState::Leased { until } => ("leased", until),
        InitialState::Due => ("due", new.created_at.min(deadline)),
        InitialState::Parked => ("parked", deadline),
        InitialState::Immediate | InitialState::Ended(_) => return None,
    };
    Some((state, wake_at.as_micros()))
}

/// The record of an attempt as its notification's row holds it: a line of JSON; empty if no attempt was made.
///
/// # Errors
/// The record cannot be written as JSON.
pub fn attempt_line(what: &DeliveryEvent) -> StoreResult<String> {
    match what {
        DeliveryEvent::Attempted { record, .. } => Ok(json(record)? + "\n"),
        DeliveryEvent::Written | DeliveryEvent::Ended(_) => Ok(String::new()),
    }
}
