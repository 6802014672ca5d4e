//! What Google's answers mean (wire reference §5.3): an answer in, an attempt out.

use std::time::Duration;

use countersign_domain::ending::ErrorCode;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::time::Instant;
use serde::Deserialize;
use serde_json::Value;

use crate::codes;
use crate::exchange::Reply;
use crate::outgoing::Fault;

/// Google wants so much patience after a 429 that names no time.
const AFTER_QUOTA: Duration = Duration::from_secs(60);
/// And so much after a 503.
const AFTER_UNAVAILABLE: Duration = Duration::from_secs(10);
/// A wait that Google only recommends leaves so much of a push's time for one more try.
const LAST_TRY: Duration = Duration::from_secs(1);

/// What may be done at once about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Repeat with a fresh access token.
    FreshToken,
    /// Repeat over another connection.
    OtherConnection,
}

/// The body of an answer that is no success.
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
    /// FCM's own word, which says more than the general one.
    fn code(&self) -> Option<&str> {
        let fcm = self.details.iter().find(|detail| is_type(detail, "FcmError"));
        fcm.and_then(|detail| detail["errorCode"].as_str())
    }

    /// The members of our request that Google finds malformed, if that is what it says.
    fn violations(&self) -> Option<Vec<&str>> {
        let bad = self.details.iter().find(|detail| is_type(detail, "google.rpc.BadRequest"))?;
        let fields = bad["fieldViolations"].as_array().map(Vec::as_slice).unwrap_or_default();
        Some(fields.iter().filter_map(|field| field["field"].as_str()).collect())
    }

    fn mentions(&self, words: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        words.iter().any(|word| message.contains(word))
    }

    /// Whether FCM itself finds fault with the registration token: by the name of the member, or, where it names no
    /// member, in its sentence.
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

/// What an answer means for a push that ends at `deadline`, and what may be done about it.
pub(super) fn judge(reply: &Reply, now: Instant, deadline: Instant) -> (Attempt, Option<Remedy>) {
    if reply.status == 200 {
        let attempt = Attempt::plain(Outcome::Accepted, None);
        return (Attempt { provider_status: Some(200), ..attempt }, None);
    }
    let error = serde_json::from_slice::<Body>(&reply.body).unwrap_or_default().error;
    let (outcome, code, remedy) = row(reply, &error, now, deadline);
    let word = error.code().unwrap_or(&error.status);
    let words = [word, &error.message].map(str::trim);
    let words: Vec<_> = words.into_iter().filter(|words| !words.is_empty()).collect();
    let attempt = Attempt {
        outcome,
        provider_status: Some(reply.status),
        provider_reason: crate::words::plain(&words.join(": ")),
        code: Some(code),
    };
    (attempt, remedy)
}

fn row(
    reply: &Reply,
    error: &Error,
    now: Instant,
    deadline: Instant,
) -> (Outcome, ErrorCode, Option<Remedy>) {
    const OURS: Outcome = Outcome::Refused { breaks_credential: false };
    const CREDENTIAL: Outcome = Outcome::Refused { breaks_credential: true };
    const GONE: Outcome = Outcome::Gone { since: None };
    let wished = reply.not_before;
    let later = |not_before| Outcome::Later { not_before };
    match (reply.status, error.code().unwrap_or(&error.status)) {
        (400, "INVALID_ARGUMENT") => {
            let (outcome, code) = invalid_argument(error);
            (outcome, code, None)
        }
        (401, "THIRD_PARTY_AUTH_ERROR") => (OURS, codes::FCM_UNAUTHORIZED, None),
        (401, _) => (CREDENTIAL, codes::FCM_UNAUTHORIZED, Some(Remedy::FreshToken)),
        // Token and credential are of two projects. Which of them is wrong it does not say: with another project's
        // credential every token would be refused like this.
        (403, "SENDER_ID_MISMATCH") => (OURS, codes::FCM_SENDER, None),
        (403, _) => (CREDENTIAL, codes::FCM_UNAUTHORIZED, None),
        (404, "UNREGISTERED") if error.code().is_some() => (GONE, codes::FCM_UNINSTALLED, None),
        (413, _) => (OURS, codes::FCM_TOO_LARGE, None),
        (429, _) => (later(wished.or(Some(now + AFTER_QUOTA))), codes::FCM_RATE, None),
        (503, _) => {
            let ours = (now + AFTER_UNAVAILABLE).min(deadline - LAST_TRY);
            (later(wished.or(Some(ours))), codes::FCM_UNAVAILABLE, None)
        }
        (500.., _) => (later(wished), codes::FCM_UNAVAILABLE, None),
        _ => (OURS, codes::FCM_UNKNOWN, None),
    }
}

/// A 400 may mean the token, which is then forgotten, or the rest of the request. Forgets the token only if the answer
/// names it: a fault in the payload is in every payload, and would cost every device its token.
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

/// No answer came.
pub(super) fn unanswered(fault: &Fault) -> (Attempt, Option<Remedy>) {
    let attempt = Attempt {
        outcome: Outcome::Later { not_before: None },
        provider_status: None,
        provider_reason: crate::words::plain(&fault.words),
        code: Some(codes::FCM_UNAVAILABLE),
    };
    (attempt, fault.broke.then_some(Remedy::OtherConnection))
}

#[cfg(test)]
mod tests;
