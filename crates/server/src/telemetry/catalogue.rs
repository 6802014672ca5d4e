//! Every metric of this server: name, kind, help, and the values of its labels. A test compares the list with the
//! documentation, the code and `/metrics`.

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::version::COMMIT_HASH;

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Only grows; 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations up to each of these bounds.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    /// Each label with all values that it can have.
    pub(super) labels: &'static [(&'static str, &'static [&'static str])],
    /// Whether it is shown from the start. Metrics of PostgreSQL or NATS are shown only where these are used.
    pub(super) always: bool,
}

/// Bounds in seconds for durations of milliseconds.
const FAST: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds in seconds for calls to other systems.
const SLOW: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Bounds in seconds for durations up to the TTL of a push.
const LONG: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
/// Bounds for the size of batches.
const BATCH: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

const PLATFORMS: &[&str] = &["apn", "fcm", "webpush", "stream", "none"];
const OUTCOMES: &[&str] =
    &["accepted", "acknowledged", "unacknowledged", "offline", "gone", "later", "refused"];
const DUTIES: &[&str] =
    &["backlog", "rescuer", "voider", "cleaner", "expirer", "summarizer", "integrator"];
const CLASSES: &[&str] = &["1xx", "2xx", "3xx", "4xx", "5xx"];
const QUESTIONS: &[&str] =
    &["offer", "is_there", "give_up", "held", "dismiss", "has_in_hand", "answered_elsewhere"];
const MESSAGES: &[&str] = &[
    "offer",
    "is_there",
    "give_up",
    "held",
    "dismiss",
    "has_in_hand",
    "answered_elsewhere",
    "settled",
    "changed",
];

const RADIUS: &[&str] = &[
    "accepted",
    "rejected",
    "challenged",
    "alive",
    "repeated",
    "malformed",
    "unknown",
    "unauthenticated",
    "busy",
    "unavailable",
];

const SIGN_IN_PAGE: &[&str] = &[
    "asked",
    "signed_in",
    "denied",
    "wrong_number",
    "not_me",
    "expired",
    "wrong_code",
    "throttled",
];

macro_rules! catalogue {
    ($($name:literal $kind:ident $(($bounds:ident))? $always:literal $([$label:literal in $values:expr])* $help:literal;)*) => {
        /// All of them.
        pub(super) const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            kind: Kind::$kind $(($bounds))?,
            help: $help,
            labels: &[$(($label, $values)),*],
            always: $always,
        }),*];
    };
}

catalogue! {
    "countersign_http_requests" Gauge true ["state" in &["working", "waiting"]]
        "Requests in progress, and long polls that wait.";
    "countersign_http_request_seconds" Histogram(FAST) true ["status" in CLASSES]
        "How long requests took until their response was ready, long polls included.";
    "countersign_http_connections" Gauge true
        "Open connections, device streams included.";
    "countersign_http_connections_closed_total" Counter true
        ["reason" in &["silent", "idle", "slow", "room"]]
        "Connections that the server ended.";
    "countersign_http_connections_refused_total" Counter true ["reason" in &["full", "address"]]
        "Connections that the server refused.";
    "countersign_http_accept_errors_total" Counter true
        "Connections that the system did not hand over for lack of files or memory.";
    "countersign_http_abandoned_total" Counter true
        "Writing requests whose caller hung up before the response; they were completed.";
    "countersign_stream_connections" Gauge true
        "Authenticated device streams.";
    "countersign_challenges_paused_total" Counter true
        ["reason" in &["in_a_row", "reported", "application"]]
        "Push challenges that were refused because their entity is paused.";
    "countersign_client_calls_total" Counter true
        ["outcome" in &["taken", "refused", "unanswered", "given_up"]]
        "Calls of clients whose questions by CIBA or Keycloak have ended.";
    "countersign_radius_requests_total" Counter true ["outcome" in RADIUS]
        "RADIUS requests by what came of them.";
    "countersign_sign_in_page_total" Counter true ["outcome" in SIGN_IN_PAGE]
        "Attempts on the sign-in page: those that began, and the outcomes that pages showed.";
    "countersign_answers_from_another_country_total" Counter true
        "Challenges that were answered from another country than the one that they ask about.";
    "countersign_delivery_attempts_total" Counter true
        ["platform" in PLATFORMS] ["outcome" in OUTCOMES]
        "Attempts to deliver a push.";
    "countersign_delivery_attempt_seconds" Histogram(SLOW) true ["platform" in PLATFORMS]
        "How long an attempt to deliver a push took.";
    "countersign_delivery_seconds" Histogram(LONG) true ["platform" in PLATFORMS]
        "From the creation of a notification until its push was accepted.";
    "countersign_delivery_in_hand" Gauge true
        "Deliveries that this server is working on.";
    "countersign_delivery_crowded_out_total" Counter true
        "Deliveries that found the queue in memory full and wait in the database.";
    "countersign_delivery_lost_leases_total" Counter true
        "Results that arrived after another server had taken over the delivery.";
    "countersign_delivery_settle_batch" Histogram(BATCH) true
        "How many results were committed by one command.";
    "countersign_push_circuits_open" Gauge true ["platform" in &["apn", "fcm", "webpush"]]
        "Credentials and push services with an open circuit breaker.";
    "countersign_push_circuit_openings_total" Counter true
        ["platform" in &["apn", "fcm", "webpush"]]
        "How often a circuit breaker opened.";
    "countersign_webhook_attempts_total" Counter true
        ["outcome" in &["taken", "refused", "unanswered"]]
        "Webhook calls that were made.";
    "countersign_webhook_attempt_seconds" Histogram(SLOW) true
        "How long a webhook call took.";
    "countersign_webhook_calls_queued" Gauge true
        "Webhook calls that wait or are being made, in the whole database.";
    "countersign_webhook_oldest_call_seconds" Gauge true
        "Age of the event of the oldest waiting webhook call.";
    "countersign_webhook_calls_given_up_total" Counter true ["reason" in &["time", "queue"]]
        "Webhook calls that were given up.";
    "countersign_duty_rows_total" Counter true ["duty" in DUTIES]
        "Rows that a background duty has processed.";
    "countersign_duty_errors_total" Counter true ["duty" in DUTIES]
        "Rounds of a background duty that failed and were retried.";
    "countersign_log_entries" Gauge true
        "Entries in the transparency log, as this server last saw it grow.";
    "countersign_log_cosignatures_total" Counter true
        ["outcome" in &["cosigned", "failed", "refused"]]
        "Requests to witnesses for a cosignature of the transparency log.";
    "countersign_store_commit_seconds" Histogram(FAST) true
        "SQLite: how long commits took, fsync included.";
    "countersign_store_stall_seconds" Histogram(FAST) true
        "SQLite: commits and checkpoints that took 20 ms or more.";
    "countersign_store_checkpoint_seconds" Histogram(FAST) true ["by" in &["beside", "writer"]]
        "SQLite: how long checkpoints of the write-ahead log took.";
    "countersign_store_batch_commands" Histogram(BATCH) true
        "SQLite: how many commands shared one commit.";
    "countersign_store_queue_commands" Gauge true
        "SQLite: commands that wait for the writer.";
    "countersign_clock_ahead_seconds" Gauge false
        "PostgreSQL: how far this machine's clock is ahead of the database's.";
    "countersign_clock_jumps_total" Counter true ["clock" in &["machine", "database"]]
        "Jumps of a clock.";
    "countersign_bus_connected" Gauge false
        "NATS: 1 while this server is connected, else 0.";
    "countersign_bus_connects_total" Counter false
        "NATS: connections that were made.";
    "countersign_bus_messages_total" Counter false
        ["direction" in &["in", "out"]] ["kind" in MESSAGES]
        "NATS: messages.";
    "countersign_bus_unanswered_total" Counter false
        ["kind" in QUESTIONS] ["why" in &["nobody", "unsent", "late"]]
        "NATS: requests without a response.";
    "countersign_bus_dropped_total" Counter false
        "NATS: how often messages arrived faster than they were read.";
    "countersign_bus_refused_total" Counter false
        ["why" in &["unsealed", "seal", "time", "replayed"]]
        "NATS: messages that were rejected.";
    "countersign_build_info" Gauge true
        ["version" in &[env!("CARGO_PKG_VERSION")]] ["commit" in &[COMMIT_HASH]]
        "Always 1; version and commit are in the labels.";
}

/// Describes each metric to the recorder, and shows those that are always present with value 0: the rate of something
/// that has not happened yet is then 0, not absent.
pub(super) fn describe() {
    for metric in METRICS {
        let Metric { name, help, .. } = *metric;
        let unit = if name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count };
        match metric.kind {
            Kind::Counter => describe_counter!(name, unit, help),
            Kind::Gauge => describe_gauge!(name, unit, help),
            Kind::Histogram(_) => describe_histogram!(name, unit, help),
        }
        if metric.always {
            series(metric.labels).for_each(|labels| show(metric, &labels));
        }
    }
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("commit", COMMIT_HASH)];
    gauge!("countersign_build_info", &labels).set(1.0);
}

fn show(metric: &Metric, labels: &[metrics::Label]) {
    let (name, labels) = (metric.name, labels.iter());
    match metric.kind {
        Kind::Counter => counter!(name, labels).increment(0),
        Kind::Gauge => gauge!(name, labels).increment(0.0),
        Kind::Histogram(_) => drop(histogram!(name, labels)),
    }
}

/// Every combination of the labels' values.
fn series(
    labels: &'static [(&'static str, &'static [&'static str])],
) -> impl Iterator<Item = Vec<metrics::Label>> {
    let mut all = vec![Vec::new()];
    for (name, values) in labels {
        let longer = |begun: &Vec<_>| {
            let begun = begun.clone();
            values.iter().map(move |value| {
                [begun.clone(), vec![metrics::Label::from_static_parts(name, value)]].concat()
            })
        };
        all = all.iter().flat_map(longer).collect();
    }
    all.into_iter()
}

#[cfg(test)]
mod monitoring_tests;
#[cfg(test)]
mod tests;
