//! The meaning of FCM responses: a response in, an attempt out (firebase.google.com: "FCM Error Codes").

use std::time::Duration;

use countersign_domain::ending::ErrorCode;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::time::Instant;
use serde::Deserialize;
use serde_json::Value;

use crate::call_error::CallError;
use crate::codes;
use crate::exchange::HttpResponse;

/// The delay after a 429 that names no time, as Google requires.
const AFTER_QUOTA: Duration = Duration::from_secs(60);
/// The delay after a 503 that names no time, as Google recommends.
const AFTER_UNAVAILABLE: Duration = Duration::from_secs(10);
/// A delay that Google only recommends leaves this much time before the deadline for one more attempt.
const LAST_ATTEMPT: Duration = Duration::from_secs(1);

/// A remedy that can be applied at once to a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Repeat with a fresh access token.
    FreshToken,
    /// Repeat over another connection.
    OtherConnection,
}

/// The body of an error response.
#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Error,
}

#[derive(Default, Deserialize)]
struct Error {
    #[serde(default)]
    message: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<Value>,
}

impl Error {
    /// FCM's own error code, which is more specific than `status`.
    fn code(&self) -> Option<&str> {
        let fcm = self.details.iter().find(|detail| is_type(detail, "FcmError"));
        fcm.and_then(|detail| detail["errorCode"].as_str())
    }

    /// The members of the request that Google finds malformed, if it names any.
    fn violations(&self) -> Option<Vec<&str>> {
        let bad = self.details.iter().find(|detail| is_type(detail, "google.rpc.BadRequest"))?;
        let fields = bad["fieldViolations"].as_array().map(Vec::as_slice).unwrap_or_default();
        Some(fields.iter().filter_map(|field| field["field"].as_str()).collect())
    }

    fn mentions(&self, words: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        words.iter().any(|word| message.contains(word))
    }

    /// Whether FCM rejects the registration token: by the name of the member, or, without one, in its message.
    fn blames_token(&self) -> bool {
        match self.violations() {
            Some(fields) => fields.contains(&"message.token"),
            None => {
                self.code().is_some()
                    && self.mentions(&["registration token"])
                    && self.mentions(&["not a valid", "invalid", "malformed"])
            }
        }
    }
}

fn is_type(detail: &Value, name: &str) -> bool {
    detail["@type"].as_str().is_some_and(|found| found.ends_with(name))
}

/// The attempt that a response results in, for a push with this deadline, and the remedy that it allows.
pub(crate) fn judge(
    response: &HttpResponse,
    now: Instant,
    deadline: Instant,
) -> (Attempt, Option<Remedy>) {
    if response.status == 200 {
        let attempt = Attempt::plain(Outcome::Accepted, None);
        return (Attempt { provider_status: Some(200), ..attempt }, None);
    }
    let error = serde_json::from_slice::<Body>(&response.body).unwrap_or_default().error;
    let (outcome, code, remedy) = row(response, &error, now, deadline);
    let code_text = error.code().unwrap_or(&error.status);
    let parts = [code_text, &error.message].map(str::trim);
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let attempt = Attempt {
        outcome,
        provider_status: Some(response.status),
        provider_reason: crate::reasons::clean(&parts.join(": ")),
        code: Some(code),
    };
    (attempt, remedy)
}

fn row(
    response: &HttpResponse,
    error: &Error,
    now: Instant,
    deadline: Instant,
) -> (Outcome, ErrorCode, Option<Remedy>) {
    const OURS: Outcome = Outcome::Refused { breaks_credential: false };
    const CREDENTIAL: Outcome = Outcome::Refused { breaks_credential: true };
    const GONE: Outcome = Outcome::Gone { since: None };
    let requested = response.not_before;
    let later = |not_before| Outcome::Later { not_before };
    match (response.status, error.code().unwrap_or(&error.status)) {
        (400, "INVALID_ARGUMENT") => {
            let (outcome, code) = invalid_argument(error);
            (outcome, code, None)
        }
        (401, "THIRD_PARTY_AUTH_ERROR") => (OURS, codes::FCM_UNAUTHORIZED, None),
        (401, _) => (CREDENTIAL, codes::FCM_UNAUTHORIZED, Some(Remedy::FreshToken)),
        // Token and credential belong to different projects, and the response does not say which is wrong: with another
        // project's credential every token would be rejected like this.
        (403, "SENDER_ID_MISMATCH") => (OURS, codes::FCM_SENDER, None),
        (403, _) => (CREDENTIAL, codes::FCM_UNAUTHORIZED, None),
        (404, "UNREGISTERED") if error.code().is_some() => (GONE, codes::FCM_UNINSTALLED, None),
        (413, _) => (OURS, codes::FCM_TOO_LARGE, None),
        (429, _) => (later(requested.or(Some(now + AFTER_QUOTA))), codes::FCM_RATE, None),
        (503, _) => {
            let recommended = (now + AFTER_UNAVAILABLE).min(deadline - LAST_ATTEMPT);
            (later(requested.or(Some(recommended))), codes::FCM_UNAVAILABLE, None)
        }
        (500.., _) => (later(requested), codes::FCM_UNAVAILABLE, None),
        _ => (OURS, codes::FCM_UNKNOWN, None),
    }
}

/// A 400 may concern the token or the rest of the request. The token is forgotten only if the response names it: an error in
/// the payload is in every payload, and would cost every device its token.
fn invalid_argument(error: &Error) -> (Outcome, ErrorCode) {
    const OURS: Outcome = Outcome::Refused { breaks_credential: false };
    if error.blames_token() {
        (Outcome::Gone { since: None }, codes::FCM_TOKEN)
    } else if error.mentions(&["too big", "too large", "size", "exceed"]) {
        (OURS, codes::FCM_TOO_LARGE)
    } else {
        (OURS, codes::FCM_UNKNOWN)
    }
}

/// The attempt without a response.
pub(super) fn unanswered(error: &CallError) -> (Attempt, Option<Remedy>) {
    let attempt = Attempt {
        outcome: Outcome::Later { not_before: None },
        provider_status: None,
        provider_reason: crate::reasons::clean(&error.text),
        code: Some(codes::FCM_UNAVAILABLE),
    };
    (attempt, error.is_broken_connection.then_some(Remedy::OtherConnection))
}

#[cfg(test)]
mod tests;
