//! Cleans the reasons that push services give, for the attempt's record: short, printable, without tokens and messages.

use std::time::Duration;

use countersign_domain::outcome::Attempt;
use countersign_domain::prospect::Push;
use countersign_domain::time::Instant;
use jiff::fmt::rfc2822::DateTimeParser;

/// The longest reason that is stored, in characters.
const LONGEST: usize = 256;
/// The longest `Retry-After` that is believed. No push lives that long.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A reason without the device's token and the message's text; `None` if nothing is left.
fn without_secrets(push: &Push, reason: &str) -> Option<String> {
    let token = push.target.address.token().map_or("", |token| token.expose());
    let mut reason = reason.to_owned();
    for hidden in [token, push.message.as_str()] {
        // A shorter text could be any word.
        if hidden.chars().count() >= 8 {
            reason = reason.replace(hidden, "…");
        }
    }
    clean(&reason)
}

/// Removes the device's token and the message's text from an attempt's reason.
pub(crate) fn redact(push: &Push, attempt: Attempt) -> Attempt {
    let provider_reason = attempt.provider_reason.and_then(|reason| without_secrets(push, &reason));
    Attempt { provider_reason, ..attempt }
}

/// A reason on one line, cut to the longest that is stored; `None` if it is empty.
pub(crate) fn clean(reason: &str) -> Option<String> {
    let reason = reason.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let reason: String = reason.take(LONGEST).collect();
    (!reason.is_empty()).then_some(reason)
}

/// The instant of a `Retry-After` header (RFC 9110, section 10.2.3): seconds from `now`, or a date. `None` if it is malformed or
/// in the past.
pub(crate) fn retry_after(header: Option<&str>, now: Instant) -> Option<Instant> {
    let header = header?.trim();
    let at = if let Ok(seconds) = header.parse::<u64>() {
        now + Duration::from_secs(seconds).min(LONGEST_DELAY)
    } else {
        let date = DateTimeParser::new().parse_timestamp(header).ok()?;
        Instant::from_micros(date.as_microsecond()).min(now + LONGEST_DELAY)
    };
    (at > now).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn tokens_and_messages_are_removed() {
        let push = fixtures::apn_push();
        let token = push.target.address.token().unwrap().expose();
        let reason = format!("no\nsuch {token}: {}", push.message);
        assert_eq!(without_secrets(&push, &reason).as_deref(), Some("no such …: …"));
        assert_eq!(without_secrets(&push, " \n "), None);
        assert_eq!(clean(&"owl ".repeat(100)).unwrap().chars().count(), LONGEST);
    }

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let now = Instant::from_seconds(1_700_000_000);
        let after = |header| retry_after(Some(header), now).map(|at| at.since(now).as_secs());
        for (header, seconds) in [
            ("120", Some(120)),
            (" 1 ", Some(1)),
            ("Tue, 14 Nov 2023 22:14:20 GMT", Some(60)),
            ("99999999999", Some(86_400)),
            ("Tue, 14 Nov 2034 22:14:20 GMT", Some(86_400)),
            ("0", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("Tue, 14 Nov 2023 22:13:20 GMT", None),
            ("Fri, 31 Dec 1999 23:59:59 GMT", None),
        ] {
            assert_eq!(after(header), seconds, "{header}");
        }
        assert_eq!(retry_after(None, now), None);
    }
}
