//! The meaning of the responses of browsers' push services: a response in, an attempt out (RFC 8030, section 5).

use countersign_domain::ending::ErrorCode;
use countersign_domain::outcome::{Attempt, Outcome};
use serde_json::Value;

use crate::call_error::CallError;
use crate::codes;
use crate::exchange::HttpResponse;

/// The longest body that counts as a reason, in bytes; a longer one is a page.
const LONGEST_REASON: usize = 256;

/// The attempt that a response results in.
pub(crate) fn judge(response: &HttpResponse) -> Attempt {
    let (outcome, code) = row(response);
    let accepted = outcome == Outcome::Accepted;
    let attempt = Attempt::plain(outcome, code);
    Attempt {
        provider_status: Some(response.status),
        provider_reason: if accepted { None } else { reason(&response.body) },
        ..attempt
    }
}

fn row(response: &HttpResponse) -> (Outcome, Option<ErrorCode>) {
    const OURS: Outcome = Outcome::Refused { breaks_credential: false };
    let later = Outcome::Later { not_before: response.not_before };
    match response.status {
        200..=299 => (Outcome::Accepted, None),
        404 | 410 => (Outcome::Gone { since: None }, Some(codes::BAD_ADDRESS)),
        // Redirects are not followed: a push goes only to the endpoint that the browser gave.
        300..=399 => (OURS, Some(codes::BAD_ADDRESS)),
        // The subscription was made with another key, or the service's key is wrong. Neither breaks the credential or is a
        // reason to forget the subscription.
        401 | 403 => (OURS, Some(codes::INTERNAL)),
        429 | 500.. => (later, Some(codes::INTERNAL)),
        _ => (OURS, Some(codes::INTERNAL)),
    }
}

/// The reason in a body: Mozilla, Google and Apple have different formats.
fn reason(body: &[u8]) -> Option<String> {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        let text = ["reason", "message", "error"].into_iter().find_map(|name| value[name].as_str());
        return text.and_then(crate::reasons::clean);
    }
    let text = std::str::from_utf8(body).ok()?.trim();
    let is_page = text.len() > LONGEST_REASON || text.starts_with('<');
    if is_page { None } else { crate::reasons::clean(text) }
}

/// The attempt without a response.
pub(super) fn unanswered(error: &CallError) -> Attempt {
    Attempt {
        outcome: Outcome::Later { not_before: None },
        provider_status: None,
        provider_reason: crate::reasons::clean(&error.text),
        code: Some(codes::INTERNAL),
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::time::Instant;

    use super::*;

    #[test]
    fn every_row_of_the_table() {
        const OURS: Outcome = Outcome::Refused { breaks_credential: false };
        const GONE: Outcome = Outcome::Gone { since: None };
        let not_before = Some(Instant::from_seconds(1_700_000_000));
        let later = Outcome::Later { not_before };
        for (status, outcome, code) in [
            (200, Outcome::Accepted, None),
            (201, Outcome::Accepted, None),
            (202, Outcome::Accepted, None),
            (301, OURS, Some(52_001)),
            (307, OURS, Some(52_001)),
            (400, OURS, Some(52_000)),
            (401, OURS, Some(52_000)),
            (403, OURS, Some(52_000)),
            (404, GONE, Some(52_001)),
            (405, OURS, Some(52_000)),
            (410, GONE, Some(52_001)),
            (413, OURS, Some(52_000)),
            (429, later, Some(52_000)),
            (500, later, Some(52_000)),
            (502, later, Some(52_000)),
            (503, later, Some(52_000)),
        ] {
            let attempt = judge(&HttpResponse { status, not_before, ..HttpResponse::default() });
            let expected = Attempt {
                outcome,
                provider_status: Some(status),
                provider_reason: None,
                code: code.map(ErrorCode),
            };
            assert_eq!(attempt, expected, "{status}");
        }
    }

    #[test]
    fn reasons_are_found_and_pages_are_ignored() {
        for (body, expected) in [
            (
                r#"{"code":410,"errno":106,"error":"Gone","message":"No such subscription"}"#,
                Some("No such subscription"),
            ),
            (r#"{"reason":"BadJwtToken"}"#, Some("BadJwtToken")),
            ("crypto-key header is malformed\n", Some("crypto-key header is malformed")),
            ("<!doctype html>", None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(reason(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn the_table_in_the_docs_is_the_same() {
        for line in crate::fixtures::documented("Browsers' answers") {
            let response = HttpResponse { status: line.status, ..HttpResponse::default() };
            let expected = (line.outcome, line.code);
            assert_eq!(
                crate::fixtures::as_documented(&judge(&response)),
                expected,
                "{}",
                line.status
            );
        }
    }
}
