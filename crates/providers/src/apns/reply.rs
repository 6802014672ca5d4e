//! What Apple's answers mean (wire reference §5.2): an answer in, an attempt out.

use countersign_domain::delivery::{Attempt, Outcome};
use countersign_domain::notification::Code;
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
) -> (Outcome, Code, Option<Remedy>) {
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
        (410, _) => (Outcome::Gone { since }, codes::APNS_UNREGISTERED, None),
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
mod tests {
    use super::*;

    const LATER: Outcome = Outcome::Later { not_before: None };
    const OURS: Outcome = Outcome::Refused { breaks_credential: false };
    const CREDENTIAL: Outcome = Outcome::Refused { breaks_credential: true };

    fn gone(since: Option<i64>) -> Outcome {
        Outcome::Gone { since: since.map(Instant::from_seconds) }
    }

    #[test]
    fn every_row_of_the_table() {
        use Remedy::{FreshToken, NewConnection, OlderToken, OtherConnection, OtherEnvironment};
        let rows = [
            (400, "BadDeviceToken", gone(None), 52_134, Some(OtherEnvironment)),
            (400, "DeviceTokenNotForTopic", OURS, 52_142, None),
            (400, "BadTopic", OURS, 52_143, None),
            (400, "MissingTopic", OURS, 52_143, None),
            (400, "TopicDisallowed", OURS, 52_143, None),
            (400, "BadCollapseId", OURS, 52_143, None),
            (400, "BadExpirationDate", OURS, 52_143, None),
            (400, "BadMessageId", OURS, 52_143, None),
            (400, "BadPriority", OURS, 52_143, None),
            (400, "InvalidPushType", OURS, 52_143, None),
            (400, "DuplicateHeaders", OURS, 52_143, None),
            (400, "PayloadEmpty", OURS, 52_143, None),
            (400, "MissingDeviceToken", OURS, 52_143, None),
            (400, "", OURS, 52_143, None),
            (400, "IdleTimeout", LATER, 52_139, Some(OtherConnection)),
            (403, "ExpiredProviderToken", CREDENTIAL, 52_148, Some(FreshToken)),
            (403, "InvalidProviderToken", CREDENTIAL, 52_149, None),
            (403, "MissingProviderToken", CREDENTIAL, 52_149, None),
            (403, "UnrelatedKeyIdInToken", CREDENTIAL, 52_149, None),
            (403, "BadEnvironmentKeyIdInToken", CREDENTIAL, 52_149, None),
            (403, "Forbidden", CREDENTIAL, 52_131, None),
            (403, "BadCertificate", CREDENTIAL, 52_131, None),
            (403, "BadCertificateEnvironment", CREDENTIAL, 52_131, None),
            (403, "SomethingNew", CREDENTIAL, 52_145, None),
            (404, "BadPath", OURS, 52_143, None),
            (405, "MethodNotAllowed", OURS, 52_143, None),
            (410, "Unregistered", gone(Some(1_700_000_000)), 52_141, None),
            (410, "ExpiredToken", gone(Some(1_700_000_000)), 52_141, None),
            (413, "PayloadTooLarge", OURS, 52_138, Some(Remedy::Shorter)),
            (429, "TooManyRequests", LATER, 52_143, None),
            (429, "TooManyProviderTokenUpdates", LATER, 52_147, Some(OlderToken)),
            (500, "InternalServerError", LATER, 52_144, None),
            (503, "ServiceUnavailable", LATER, 52_144, Some(NewConnection)),
            (503, "Shutdown", LATER, 52_139, Some(NewConnection)),
            (502, "", LATER, 52_144, None),
            (302, "", OURS, 52_140, None),
            (418, "ImATeapot", OURS, 52_140, None),
        ];
        for (status, reason, outcome, code, remedy) in rows {
            let timestamp = if status == 410 { r#","timestamp":1700000000000"# } else { "" };
            let body = format!(r#"{{"reason":"{reason}"{timestamp}}}"#).into_bytes();
            let (attempt, found) = judge(&Reply { status, not_before: None, body });
            let words = (!reason.is_empty()).then(|| reason.to_owned());
            let expected = Attempt {
                outcome,
                provider_status: Some(status),
                provider_reason: words,
                code: Some(Code(code)),
            };
            assert_eq!((attempt, found), (expected, remedy), "{status} {reason}");
        }
    }

    #[test]
    fn success_has_no_words() {
        let (attempt, remedy) = judge(&Reply { status: 200, ..Reply::default() });
        assert_eq!((attempt.outcome, attempt.code, remedy), (Outcome::Accepted, None, None));
    }

    #[test]
    fn a_body_that_is_no_json_and_a_wish_are_taken_as_they_come() {
        let not_before = Some(Instant::from_seconds(1_700_000_000));
        let body = b"<html>".to_vec();
        let (attempt, _) = judge(&Reply { status: 503, not_before, body });
        assert_eq!(attempt.outcome, Outcome::Later { not_before });
        let (attempt, _) = judge(&Reply { status: 410, ..Reply::default() });
        assert_eq!(attempt.outcome, gone(None));
    }

    #[test]
    fn only_a_connection_that_broke_is_worth_another_at_once() {
        for broke in [true, false] {
            let (attempt, remedy) = unanswered(&Fault { words: "no answer in time".into(), broke });
            assert_eq!(remedy, broke.then_some(Remedy::OtherConnection));
            assert_eq!((attempt.outcome, attempt.provider_status), (LATER, None));
        }
    }
}
