use serde_json::json;

use super::*;

const NOW: Instant = Instant::from_seconds(1_700_000_000);
const OURS: Outcome = Outcome::Refused { breaks_credential: false };
const CREDENTIAL: Outcome = Outcome::Refused { breaks_credential: true };
const GONE: Outcome = Outcome::Gone { since: None };

fn later(seconds: Option<u64>) -> Outcome {
    let not_before = seconds.map(|seconds| NOW + Duration::from_secs(seconds));
    Outcome::Later { not_before }
}

fn body(code: &str, status: &str, message: &str, violation: Option<&str>) -> Vec<u8> {
    let mut details = Vec::new();
    if !code.is_empty() {
        let kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
        details.push(json!({ "@type": kind, "errorCode": code }));
    }
    if let Some(field) = violation {
        let kind = "type.googleapis.com/google.rpc.BadRequest";
        let fields = json!([{ "field": field, "description": "no" }]);
        details.push(json!({ "@type": kind, "fieldViolations": fields }));
    }
    let error = json!({ "message": message, "status": status, "details": details });
    json!({ "error": error }).to_string().into_bytes()
}

fn ask(status: u16, wished: Option<u64>, body: Vec<u8>) -> (Attempt, Option<Remedy>) {
    let not_before = wished.map(|seconds| NOW + Duration::from_secs(seconds));
    judge(
        &HttpResponse { status, not_before, body, ..HttpResponse::default() },
        NOW,
        NOW + Duration::from_secs(300),
    )
}

#[test]
fn every_row_of_the_table() {
    const INVALID: &str = "INVALID_ARGUMENT";
    const NO_TOKEN: &str = "The registration token is not a valid FCM registration token";
    const FRESH: Option<Remedy> = Some(Remedy::FreshToken);
    let rows = [
        (400, INVALID, INVALID, NO_TOKEN, None, GONE, 52_102, None),
        (400, INVALID, INVALID, "bad", Some("message.token"), GONE, 52_102, None),
        (400, INVALID, INVALID, NO_TOKEN, Some("message.android.ttl"), OURS, 52_111, None),
        (400, "", INVALID, "Invalid JSON payload", Some("message"), OURS, 52_111, None),
        (400, INVALID, INVALID, "Message too big", None, OURS, 52_106, None),
        (400, INVALID, INVALID, "Request contains an invalid argument.", None, OURS, 52_111, None),
        (400, INVALID, INVALID, "", None, OURS, 52_111, None),
        (400, INVALID, INVALID, "Invalid value at 'message.data'", None, OURS, 52_111, None),
        (400, INVALID, INVALID, "no", Some("message"), OURS, 52_111, None),
        (400, "", INVALID, NO_TOKEN, None, OURS, 52_111, None),
        (400, "", INVALID, "Request contains an invalid argument.", None, OURS, 52_111, None),
        (401, "THIRD_PARTY_AUTH_ERROR", "UNAUTHENTICATED", "", None, OURS, 52_109, None),
        (401, "", "UNAUTHENTICATED", "", None, CREDENTIAL, 52_109, FRESH),
        (403, "SENDER_ID_MISMATCH", "PERMISSION_DENIED", "", None, OURS, 52_104, None),
        (403, "", "PERMISSION_DENIED", "", None, CREDENTIAL, 52_109, None),
        (404, "UNREGISTERED", "NOT_FOUND", "", None, GONE, 52_103, None),
        (404, "", "NOT_FOUND", "no such project", None, OURS, 52_111, None),
        (404, "", "UNREGISTERED", "", None, OURS, 52_111, None),
        (413, "", "", "", None, OURS, 52_106, None),
        (429, "QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED", "", None, later(Some(60)), 52_108, None),
        (500, "INTERNAL", "INTERNAL", "", None, later(None), 52_110, None),
        (503, "UNAVAILABLE", "UNAVAILABLE", "", None, later(Some(10)), 52_110, None),
        (502, "", "", "", None, later(None), 52_110, None),
        (400, "UNSPECIFIED_ERROR", "", "", None, OURS, 52_111, None),
        (302, "", "", "", None, OURS, 52_111, None),
    ];
    for (status, code, word, message, violation, outcome, ours, remedy) in rows {
        let (attempt, found) = ask(status, None, body(code, word, message, violation));
        let got = (attempt.outcome, attempt.code, attempt.provider_status, found);
        let expected = (outcome, Some(ErrorCode(ours)), Some(status), remedy);
        assert_eq!(got, expected, "{status} {code} {message}");
    }
}

/// An error in the payload is in every payload; it must not make the server forget every Android token.
#[test]
fn only_a_response_that_names_the_token_forgets_it() {
    let html = b"<html>404</html>".to_vec();
    let words = |text: &str| body("INVALID_ARGUMENT", "INVALID_ARGUMENT", text, None);
    for (status, body) in [
        (400, words("Request contains an invalid argument.")),
        (400, words("Invalid JSON payload received. Unknown name \"topci\" at 'message'")),
        (400, html.clone()),
        (403, body("SENDER_ID_MISMATCH", "PERMISSION_DENIED", "SenderId mismatch", None)),
        (404, html.clone()),
        (404, body("", "NOT_FOUND", "Requested entity was not found.", None)),
        (410, html),
    ] {
        let (attempt, _) = ask(status, None, body);
        assert_eq!(attempt.outcome, OURS, "{status} {:?}", attempt.provider_reason);
    }
}

#[test]
fn a_retry_after_overrides_the_recommended_delay() {
    for (status, code) in [(429, "QUOTA_EXCEEDED"), (503, "UNAVAILABLE"), (500, "INTERNAL")] {
        let (attempt, _) = ask(status, Some(7), body(code, "", "", None));
        assert_eq!(attempt.outcome, later(Some(7)), "{status}");
    }
    let reply = HttpResponse { status: 503, ..HttpResponse::default() };
    let (attempt, _) = judge(&reply, NOW, NOW + Duration::from_secs(5));
    assert_eq!(attempt.outcome, later(Some(4)), "one more attempt before the deadline");
}

#[test]
fn the_reason_is_recorded() {
    let (attempt, _) = ask(404, None, body("UNREGISTERED", "NOT_FOUND", "Not found.", None));
    assert_eq!(attempt.provider_reason.as_deref(), Some("UNREGISTERED: Not found."));
    let (attempt, _) = ask(503, None, b"<html>".to_vec());
    assert_eq!((attempt.provider_reason, attempt.provider_status), (None, Some(503)));
    assert_eq!(ask(200, None, Vec::new()).0.outcome, Outcome::Accepted);
}

#[test]
fn the_table_in_the_docs_is_the_same() {
    for line in crate::fixtures::documented("Google's answers") {
        let says = |words| line.cell.contains(words);
        let message = match () {
            () if says("of the token") => "Invalid registration token",
            () if says("too long") => "Message too big",
            () => "",
        };
        let violation = says("another member").then_some("message.android.ttl");
        let body = body(&line.reason, &line.reason, message, violation);
        let (attempt, _) = ask(line.status, None, body);
        let said = (line.outcome, line.code);
        assert_eq!(crate::fixtures::as_documented(&attempt), said, "{} {}", line.status, line.cell);
    }
}
