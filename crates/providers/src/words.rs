//! A push service's own words, made fit for the record: short, printable, and without what must not be written down.

use std::time::Duration;

use countersign_domain::outcome::Attempt;
use countersign_domain::prospect::Push;
use countersign_domain::time::Instant;
use jiff::fmt::rfc2822::DateTimeParser;

/// The longest reason that is kept.
const LONGEST: usize = 256;
/// The longest wait that a push service is believed. No push lives that long.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// What was said about a push, without the device's token and the question's text, should they be repeated in it.
/// `None` if nothing is left.
fn about(push: &Push, said: &str) -> Option<String> {
    let token = push.target.address.token().map_or("", |token| token.expose());
    let mut said = said.to_owned();
    for hidden in [token, push.message.as_str()] {
        // Shorter texts are words of any language, not something to recognise.
        if hidden.chars().count() >= 8 {
            said = said.replace(hidden, "…");
        }
    }
    plain(&said)
}

/// An attempt with nothing in its words that must not be written down.
pub(crate) fn fit(push: &Push, attempt: Attempt) -> Attempt {
    let provider_reason = attempt.provider_reason.and_then(|said| about(push, &said));
    Attempt { provider_reason, ..attempt }
}

/// Words that no push has to do with, short and on one line.
pub(crate) fn plain(said: &str) -> Option<String> {
    let said = said.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let said: String = said.take(LONGEST).collect();
    (!said.is_empty()).then_some(said)
}

/// The instant that a `Retry-After` names: seconds from `now`, or a date. `None` for anything else and for the past.
pub(crate) fn retry_after(header: Option<&str>, now: Instant) -> Option<Instant> {
    let header = header?.trim();
    let at = if let Ok(seconds) = header.parse::<u64>() {
        now + Duration::from_secs(seconds).min(LONGEST_WAIT)
    } else {
        let date = DateTimeParser::new().parse_timestamp(header).ok()?;
        Instant::from_micros(date.as_microsecond()).min(now + LONGEST_WAIT)
    };
    (at > now).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn what_must_not_be_written_down_is_left_out() {
        let push = fixtures::apn_push();
        let token = push.target.address.token().unwrap().expose();
        let said = format!("no\nsuch {token}: {}", push.message);
        assert_eq!(about(&push, &said).as_deref(), Some("no such …: …"));
        assert_eq!(about(&push, " \n "), None);
        assert_eq!(plain(&"owl ".repeat(100)).unwrap().chars().count(), LONGEST);
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
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
