//! What Apple's answers mean (wire reference §5.2): an answer in, an attempt out.

use countersign_domain::ending::ErrorCode;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::time::Instant;
use serde::Deserialize;

use crate::codes;
use crate::exchange::Reply;
use crate::outgoing::Fault;

/// What may be done at once about an answer. Each is done once, and the repeat counts as the same attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Repeat with a fresh provider token.
    FreshToken,
    /// Nothing now, but use the token before this one again.
    OlderToken,
    /// Repeat in Apple's other environment, if this one has never taken a push.
    OtherEnvironment,
    /// Repeat with less text.
    Shorter,
    /// Repeat over another connection.
    OtherConnection,
    /// Nothing now, but make a new connection for what comes next.
    NewConnection,
}

/// The body of an answer that is no success.
#[derive(Default, Deserialize)]
struct Body {
    reason: Option<String>,
    /// Milliseconds; with 410 only: since when Apple knows that the token is dead.
    timestamp: Option<i64>,
}

/// What an answer means, and what may be done about it.
pub(super) fn judge(reply: &Reply) -> (Attempt, Option<Remedy>) {
    if reply.status == 200 {
        let attempt = Attempt::plain(Outcome::Accepted, None);
        return (Attempt { provider_status: Some(200), ..attempt }, None);
    }
    let body: Body = serde_json::from_slice(&reply.body).unwrap_or_default();
    let reason = body.reason.unwrap_or_default();
    let later = Outcome::Later { not_before: reply.not_before };
    let since = body.timestamp.map(|millis| Instant::from_micros(millis.saturating_mul(1_000)));
    let (outcome, code, remedy) = row(reply.status, &reason, later, since);
    let attempt = Attempt {
        outcome,
        provider_status: Some(reply.status),
        provider_reason: crate::words::plain(&reason),
        code: Some(code),
    };
    (attempt, remedy)
}

fn row(
    status: u16,
    reason: &str,
    later: Outcome,
    since: Option<Instant>,
) -> (Outcome, ErrorCode, Option<Remedy>) {
    const OURS: Outcome = Outcome::Refused { breaks_credential: false };
    const CREDENTIAL: Outcome = Outcome::Refused { breaks_credential: true };
    match (status, reason) {
        (400, "BadDeviceToken") => {
            let gone = Outcome::Gone { since: None };
            (gone, codes::APNS_TOKEN, Some(Remedy::OtherEnvironment))
        }
        (400, "DeviceTokenNotForTopic") => (OURS, codes::APNS_TOPIC, None),
        (400, "IdleTimeout") => (later, codes::APNS_SHUTDOWN, Some(Remedy::OtherConnection)),
        // Our request or the configuration: the same would be said again.
        (400 | 404 | 405, _) => (OURS, codes::APNS_REJECTED, None),
        (403, "ExpiredProviderToken") => {
            (CREDENTIAL, codes::APNS_EXPIRED, Some(Remedy::FreshToken))
        }
        (
            403,
            "InvalidProviderToken"
            | "MissingProviderToken"
            | "UnrelatedKeyIdInToken"
            | "BadEnvironmentKeyIdInToken",
        ) => (CREDENTIAL, codes::APNS_PROVIDER_TOKEN, None),
        (403, "Forbidden" | "BadCertificate" | "BadCertificateEnvironment") => {
            (CREDENTIAL, codes::APNS_CREDENTIALS, None)
        }
        (401 | 403, _) => (CREDENTIAL, codes::APNS_AUTHENTICATION, None),
        (410, "Unregistered" | "ExpiredToken") => {
            (Outcome::Gone { since }, codes::APNS_UNREGISTERED, None)
        }
        (413, _) => (OURS, codes::APNS_TOO_LARGE, Some(Remedy::Shorter)),
        (429, "TooManyProviderTokenUpdates") => {
            (later, codes::APNS_TOKEN_UPDATES, Some(Remedy::OlderToken))
        }
        (429, _) => (later, codes::APNS_REJECTED, None),
        (503, "Shutdown") => (later, codes::APNS_SHUTDOWN, Some(Remedy::NewConnection)),
        (503, _) => (later, codes::APNS_INTERNAL, Some(Remedy::NewConnection)),
        (500.., _) => (later, codes::APNS_INTERNAL, None),
        _ => (OURS, codes::APNS_UNKNOWN, None),
    }
}

/// No answer came. A connection that broke while it was used may be Apple's way to end one: another is tried at once.
pub(super) fn unanswered(fault: &Fault) -> (Attempt, Option<Remedy>) {
    let attempt = Attempt {
        outcome: Outcome::Later { not_before: None },
        provider_status: None,
        provider_reason: crate::words::plain(&fault.words),
        code: Some(codes::APNS_UNKNOWN),
    };
    (attempt, fault.broke.then_some(Remedy::OtherConnection))
}

#[cfg(test)]
mod tests;
