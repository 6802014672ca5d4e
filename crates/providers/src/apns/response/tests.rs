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
        (410, "", OURS, 52_140, None),
        (410, "SomethingNew", OURS, 52_140, None),
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
        let (attempt, found) = judge(&HttpResponse { status, body, ..HttpResponse::default() });
        let words = (!reason.is_empty()).then(|| reason.to_owned());
        let expected = Attempt {
            outcome,
            provider_status: Some(status),
            provider_reason: words,
            code: Some(ErrorCode(code)),
        };
        assert_eq!((attempt, found), (expected, remedy), "{status} {reason}");
    }
}

#[test]
fn success_has_no_words() {
    let (attempt, remedy) = judge(&HttpResponse { status: 200, ..HttpResponse::default() });
    assert_eq!((attempt.outcome, attempt.code, remedy), (Outcome::Accepted, None, None));
}

#[test]
fn a_response_without_json_counts_by_its_status_and_410_only_with_a_reason() {
    let not_before = Some(Instant::from_seconds(1_700_000_000));
    let body = b"<html>".to_vec();
    let (attempt, _) =
        judge(&HttpResponse { status: 503, not_before, body, ..HttpResponse::default() });
    assert_eq!(attempt.outcome, Outcome::Later { not_before });
    let (attempt, _) = judge(&HttpResponse { status: 410, ..HttpResponse::default() });
    assert_eq!(attempt.outcome, OURS, "a proxy may send it");
    let body = br#"{"reason":"Unregistered"}"#.to_vec();
    let (attempt, _) = judge(&HttpResponse { status: 410, body, ..HttpResponse::default() });
    assert_eq!(attempt.outcome, gone(None));
}

#[test]
fn only_a_connection_that_broke_is_worth_another_at_once() {
    for is_broken_connection in [true, false] {
        let (attempt, remedy) =
            unanswered(&CallError { text: "no answer in time".into(), is_broken_connection });
        assert_eq!(remedy, is_broken_connection.then_some(Remedy::OtherConnection));
        assert_eq!((attempt.outcome, attempt.provider_status), (LATER, None));
    }
}

#[test]
fn the_table_in_the_docs_is_the_same() {
    let lines = crate::fixtures::documented("Apple's answers");
    for line in &lines {
        let body = format!(r#"{{"reason":"{}"}}"#, line.reason).into_bytes();
        let (attempt, _) =
            judge(&HttpResponse { status: line.status, body, ..HttpResponse::default() });
        let said = (line.outcome, line.code);
        assert_eq!(
            crate::fixtures::as_documented(&attempt),
            said,
            "{} {}",
            line.status,
            line.reason
        );
    }
    // One of the stand-in's is not Apple's.
    for reason in countersign_standins::apns::Reason::ALL {
        let is_told = lines.iter().any(|line| line.reason == reason.as_str());
        assert!(is_told || reason.as_str() == "PayloadIncomplete", "{}", reason.as_str());
    }
}
