//! The meaning of APNs responses: a response in, an attempt out (developer.apple.com: "Handling notification responses from
//! APNs").

use countersign_domain::ending::ErrorCode;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::time::Instant;
use serde::Deserialize;

use crate::call_error::CallError;
use crate::codes;
use crate::exchange::HttpResponse;

/// A remedy that can be applied at once to a response. Each remedy is applied once, and the repeat belongs to the same attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Repeat with a fresh provider token.
    FreshToken,
    /// Do not repeat, but use the previous token again.
    OlderToken,
    /// Repeat in Apple's other environment, if this one has never accepted a push.
    OtherEnvironment,
    /// Repeat with less text.
    Shorter,
    /// Repeat over another connection.
    OtherConnection,
    /// Do not repeat, but replace the connection for later pushes.
    NewConnection,
}

/// The body of an error response.
#[derive(Default, Deserialize)]
struct Body {
    reason: Option<String>,
    /// With 410 only: since when Apple knows the token to be dead, in milliseconds.
    timestamp: Option<i64>,
}

/// The attempt that a response results in, and the remedy that it allows.
pub(crate) fn judge(response: &HttpResponse) -> (Attempt, Option<Remedy>) {
    if response.status == 200 {
        let attempt = Attempt::plain(Outcome::Accepted, None);
        return (Attempt { provider_status: Some(200), ..attempt }, None);
    }
    let body: Body = serde_json::from_slice(&response.body).unwrap_or_default();
    let reason = body.reason.unwrap_or_default();
    let later = Outcome::Later { not_before: response.not_before };
    let since = body.timestamp.map(|millis| Instant::from_micros(millis.saturating_mul(1_000)));
    let (outcome, code, remedy) = row(response.status, &reason, later, since);
    let attempt = Attempt {
        outcome,
        provider_status: Some(response.status),
        provider_reason: crate::reasons::clean(&reason),
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
        // The request or the configuration is wrong: a repeat would get the same response.
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

/// The attempt without a response. Apple may end a connection by breaking it, so another one is tried at once.
pub(super) fn unanswered(error: &CallError) -> (Attempt, Option<Remedy>) {
    let attempt = Attempt {
        outcome: Outcome::Later { not_before: None },
        provider_status: None,
        provider_reason: crate::reasons::clean(&error.text),
        code: Some(codes::APNS_UNKNOWN),
    };
    (attempt, error.is_broken_connection.then_some(Remedy::OtherConnection))
}

#[cfg(test)]
mod tests;
