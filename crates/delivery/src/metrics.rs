//! The engine's metrics: their names and labels in one place.

use std::time::Duration;

use countersign_domain::address::Platform;
use countersign_domain::outcome::Outcome;
use countersign_domain::sid::NotificationSid;
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::CallOutcome;
use metrics::{counter, gauge, histogram};

pub(crate) fn attempt(platform: Platform, outcome: Outcome, took: Duration) {
    counter!("countersign_delivery_attempts_total", "platform" => platform.as_str(), "outcome" => outcome.as_str())
        .increment(1);
    histogram!("countersign_delivery_attempt_seconds", "platform" => platform.as_str())
        .record(took);
}

/// Records how long after its creation a notification was accepted by a provider or acknowledged by a device. Its SID
/// begins with the creation time in milliseconds, so nothing has to be read.
pub(crate) fn taken(platform: Platform, notification: NotificationSid, at: Instant) {
    let [a, b, c, d, e, f, ..] = *notification.as_bytes();
    let made = i64::from_be_bytes([0, 0, a, b, c, d, e, f]).saturating_mul(1_000);
    histogram!("countersign_delivery_seconds", "platform" => platform.as_str())
        .record(at.since(Instant::from_micros(made)));
}

pub(crate) fn call(outcome: &CallOutcome, took: Duration) {
    counter!("countersign_webhook_attempts_total", "outcome" => outcome.as_str()).increment(1);
    histogram!("countersign_webhook_attempt_seconds").record(took);
}

/// Counts a call of the client of a question, and one that is given up.
pub(crate) fn client_call(outcome: &'static str) {
    counter!("countersign_client_calls_total", "outcome" => outcome).increment(1);
}

/// Counts calls that were given up. `reason`: `time` or `queue`.
pub(crate) fn calls_given_up(reason: &'static str, calls: usize) {
    if calls > 0 {
        counter!("countersign_webhook_calls_given_up_total", "reason" => reason)
            .increment(calls as u64);
    }
}

/// Sets the number of queued calls, and the age of the oldest.
pub(crate) fn backlog(queued: u64, age: Duration) {
    gauge!("countersign_webhook_calls_queued").set(to_f64(queued));
    gauge!("countersign_webhook_oldest_call_seconds").set(age.as_secs_f64());
}

pub(crate) fn in_hand(more: bool) {
    let gauge = gauge!("countersign_delivery_in_hand");
    if more {
        gauge.increment(1.0);
    } else {
        gauge.decrement(1.0);
    }
}

pub(crate) fn settled(batch: usize, lost: usize) {
    histogram!("countersign_delivery_settle_batch").record(to_f64(batch));
    counter!("countersign_delivery_lost_leases_total").increment(lost as u64);
}

/// Counts a delivery that was given up because too many wait for the same destination.
pub(crate) fn crowded_out() {
    counter!("countersign_delivery_crowded_out_total").increment(1);
}

pub(crate) fn swept(duty: &'static str, rows: usize) {
    counter!("countersign_duty_rows_total", "duty" => duty).increment(rows as u64);
}

/// Sets the number of entries in the transparency log.
pub(crate) fn log_size(entries: u64) {
    gauge!("countersign_log_entries").set(to_f64(entries));
}

/// Counts a request to a witness. `outcome`: `cosigned`, `failed` or `refused`.
pub(crate) fn cosigned(outcome: &'static str) {
    counter!("countersign_log_cosignatures_total", "outcome" => outcome).increment(1);
}

pub(crate) fn failed(duty: &'static str) {
    counter!("countersign_duty_errors_total", "duty" => duty).increment(1);
}

/// Counts above `u32::MAX` are recorded as that.
fn to_f64(count: impl TryInto<u32>) -> f64 {
    count.try_into().map_or(f64::from(u32::MAX), f64::from)
}
