//! What the answers of browsers' push services mean (wire reference §5.4): an answer in, an attempt out.

use countersign_domain::ending::ErrorCode;
use countersign_domain::outcome::{Attempt, Outcome};
use serde_json::Value;

use crate::codes;
use crate::exchange::Reply;
use crate::outgoing::Fault;

/// The longest text that is taken for words; beyond it is a page.
const WORDS: usize = 256;

/// What an answer means.
pub(super) fn judge(reply: &Reply) -> Attempt {
    let (outcome, code) = row(reply);
    let accepted = outcome == Outcome::Accepted;
    let attempt = Attempt::plain(outcome, code);
    Attempt {
        provider_status: Some(reply.status),
        provider_reason: if accepted { None } else { words(&reply.body) },
        ..attempt
    }
}

fn row(reply: &Reply) -> (Outcome, Option<ErrorCode>) {
    const OURS: Outcome = Outcome::Refused { breaks_credential: false };
    let later = Outcome::Later { not_before: reply.not_before };
    match reply.status {
        200..=299 => (Outcome::Accepted, None),
        404 | 410 => (Outcome::Gone { since: None }, Some(codes::BAD_ADDRESS)),
        // Nowhere else than where the browser said, so a redirect is no answer.
        300..=399 => (OURS, Some(codes::BAD_ADDRESS)),
        // The subscription may have been made with another key, or the service's key be the wrong one: neither breaks
        // the credential, and neither is a reason to forget the subscription.
        401 | 403 => (OURS, Some(codes::INTERNAL)),
        429 | 500.. => (later, Some(codes::INTERNAL)),
        _ => (OURS, Some(codes::INTERNAL)),
    }
}

/// Mozilla, Google and Apple each say it in their own way.
fn words(body: &[u8]) -> Option<String> {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        let said = ["reason", "message", "error"].into_iter().find_map(|name| value[name].as_str());
        return said.and_then(crate::words::plain);
    }
    let text = std::str::from_utf8(body).ok()?.trim();
    let is_page = text.len() > WORDS || text.starts_with('<');
    if is_page { None } else { crate::words::plain(text) }
}

/// No answer came.
pub(super) fn unanswered(fault: &Fault) -> Attempt {
    Attempt {
        outcome: Outcome::Later { not_before: None },
        provider_status: None,
        provider_reason: crate::words::plain(&fault.words),
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
            let attempt = judge(&Reply { status, not_before, body: Vec::new() });
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
    fn words_are_found_where_they_are_and_pages_left_out() {
        for (body, said) in [
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
            assert_eq!(words(body.as_bytes()).as_deref(), said, "{body}");
        }
    }

    #[test]
    fn the_table_in_docs_says_the_same() {
        for line in crate::fixtures::documented("Browsers' answers") {
            let reply = Reply { status: line.status, not_before: None, body: Vec::new() };
            let said = (line.outcome, line.code);
            assert_eq!(crate::fixtures::in_words(&judge(&reply)), said, "{}", line.status);
        }
    }
}
