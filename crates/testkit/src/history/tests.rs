//! A history that breaks no rule, and for each rule histories that break it.

use std::time::Duration;

use countersign_domain::challenge::{ChallengeStatus, Verdict};
use countersign_domain::ending::{NotificationStatus, StatusReason};
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;

use super::*;

const BOUNDS: Bounds = Bounds { on_its_way: Duration::from_secs(1), notifications: 3 };
/// The deadline of every notification.
const DEADLINE: i64 = 300;

fn at(second: i64) -> Instant {
    Instant::from_seconds(1_700_000_000 + second)
}

fn challenge() -> ChallengeSid {
    format!("YC{}", "1".repeat(32)).parse().unwrap()
}

fn notification(number: u8) -> NotificationSid {
    format!("NT{number:032x}").parse().unwrap()
}

fn listed(number: u8, status: NotificationStatus, reason: Option<StatusReason>) -> Listed {
    let (automatic, updated_at, deadline) = (number == 0, at(3), at(DEADLINE));
    Listed { sid: notification(number), automatic, status, reason, updated_at, deadline }
}

/// The automatic notification was superseded, the next one arrived, and the last waits.
fn list(last: NotificationStatus) -> Vec<Listed> {
    use NotificationStatus::{Cancelled, Delivered};
    vec![
        listed(0, Cancelled, Some(StatusReason::Superseded)),
        listed(1, Delivered, None),
        listed(2, last, None),
    ]
}

/// Each entry was asked at its second, and told a second later.
fn rules(entries: &[(i64, Known)]) -> Vec<Rule> {
    let history = History::default();
    for (second, known) in entries {
        history.note(at(*second), at(*second + 1), known.clone());
    }
    judge(&history.entries(), BOUNDS).into_iter().map(|violation| violation.rule).collect()
}

/// What clients of a faultless server know, two of whose devices answer at once.
fn faultless() -> Vec<(i64, Known)> {
    use ChallengeStatus::{Approved, Pending};
    vec![
        (0, Known::Opened(challenge())),
        (1, Known::Notified(challenge(), notification(2))),
        (2, Known::Listed(challenge(), Some(list(NotificationStatus::Sending)))),
        (DEADLINE, Known::Shown(notification(1), at(DEADLINE))),
        (5, Known::Answer(challenge(), Verdict::Approved, Reply::Taken)),
        (5, Known::Answer(challenge(), Verdict::Denied, Reply::Refused)),
        (5, Known::Read(challenge(), Some(Pending))),
        (6, Known::Read(challenge(), Some(Approved))),
        (7, Known::Listed(challenge(), Some(list(NotificationStatus::Delivered)))),
    ]
}

/// The rules that the faultless history breaks with one more entry.
fn with(second: i64, known: Known) -> Vec<Rule> {
    rules(&[faultless(), vec![(second, known)]].concat())
}

#[test]
fn a_faultless_history_breaks_no_rule() {
    assert_eq!(rules(&faultless()), []);
    let doubtful = Known::Answer(challenge(), Verdict::Denied, Reply::Unknown);
    assert_eq!(with(4, doubtful), [], "an answer without a response");
    assert_eq!(with(0, Known::Read(challenge(), None)), [], "asked before the 201");
}

#[test]
fn an_acknowledged_write_that_is_missing_is_found() {
    assert_eq!(with(8, Known::Read(challenge(), None)), [Rule::NothingIsLost]);
    let gone = Known::Listed(challenge(), None);
    assert_eq!(with(8, gone), [Rule::NothingIsLost]);
    let mut without = list(NotificationStatus::Delivered);
    without.pop();
    assert_eq!(with(8, Known::Listed(challenge(), Some(without))), [Rule::NothingIsLost]);
}

#[test]
fn a_second_answer_is_found() {
    use ChallengeStatus::Denied;
    let second = Known::Answer(challenge(), Verdict::Denied, Reply::Taken);
    assert_eq!(with(8, second), [Rule::FirstAnswerWins]);
    let invented = [
        (0, Known::Opened(challenge())),
        (1, Known::Answer(challenge(), Verdict::Approved, Reply::Unknown)),
        (2, Known::Read(challenge(), Some(Denied))),
    ];
    assert_eq!(rules(&invented), [Rule::FirstAnswerWins], "nobody denied it");
    let refused = (1, Known::Answer(challenge(), Verdict::Approved, Reply::Refused));
    assert_eq!(rules(&[refused]), [Rule::FirstAnswerWins], "nobody had answered");
}

#[test]
fn an_answer_that_is_forgotten_is_found() {
    use ChallengeStatus::{Expired, Pending};
    for status in [Pending, Expired] {
        let forgotten = Known::Read(challenge(), Some(status));
        assert_eq!(with(8, forgotten), [Rule::AnAnswerStays], "{status:?}");
    }
}

#[test]
fn an_end_that_changes_is_found() {
    let again = Known::Listed(challenge(), Some(list(NotificationStatus::Expired)));
    assert!(with(8, again).contains(&Rule::AnEndStays));
}

#[test]
fn a_prompt_after_its_deadline_is_found() {
    let late = Known::Shown(notification(2), at(DEADLINE));
    assert_eq!(with(DEADLINE, late.clone()), []);
    assert_eq!(with(DEADLINE + 1, late), [Rule::NothingAfterTheDeadline]);
}

#[test]
fn a_limit_that_is_not_kept_is_found() {
    let mut more = list(NotificationStatus::Delivered);
    more.extend([3, 4].map(|number| listed(number, NotificationStatus::Delivered, None)));
    assert_eq!(with(8, Known::Listed(challenge(), Some(more))), [Rule::LimitsAreKept]);
}

#[test]
fn a_notification_that_does_not_end_or_ends_wrongly_is_found() {
    use NotificationStatus::{Cancelled, Expired, Failed, Queued, Sent};
    let ends = |last: Listed| {
        let mut list = list(NotificationStatus::Delivered);
        list[2] = last;
        rules(&[(8, Known::Listed(challenge(), Some(list)))])
    };
    let early = listed(2, Expired, None);
    let in_time = Listed { updated_at: at(DEADLINE - 1), ..early.clone() };
    assert_eq!(ends(in_time), []);
    for wrong in [
        early,
        listed(2, Queued, Some(StatusReason::Waiting)),
        listed(2, Sent, None),
        listed(2, Failed, Some(StatusReason::Refused)),
        listed(2, Cancelled, Some(StatusReason::Answered)),
        listed(2, Cancelled, Some(StatusReason::Superseded)),
    ] {
        assert_eq!(ends(wrong.clone()), [Rule::EverythingEnds], "{wrong:?}");
    }
}
