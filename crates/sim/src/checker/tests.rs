//! Wrong histories, each of which breaks one rule, and the right ones beside them.

use countersign_domain::ending::Ending;
use countersign_domain::outcome::Outcome;

use super::*;
use crate::history::Kept;

const SID: NotificationSid = NotificationSid::from_bytes([1; 16]);
const PHONE: FactorSid = FactorSid::from_bytes([3; 16]);
const CHALLENGE: ChallengeSid = ChallengeSid::from_bytes([2; 16]);
const SECOND: u64 = 1_000_000;

fn attempt(number: usize, node: NodeRun) -> Attempt {
    Attempt {
        number,
        node,
        is_stream: true,
        notification: SID,
        factor: PHONE,
        once: false,
        left: 5_000_000,
        truly_left: 5_000_000,
    }
}

/// The rules that events break, each at its second.
fn broken(events: Vec<(u64, Event)>) -> Vec<Rule> {
    let events = events.into_iter().map(|(second, event)| (second * SECOND, event)).collect();
    rules(&History { events, kept: Vec::new() })
}

fn rules(history: &History) -> Vec<Rule> {
    judge(history).into_iter().map(|violation| violation.rule).collect()
}

fn kept(ending: Option<Ending>, automatic: bool) -> Kept {
    Kept { sid: SID, automatic, ending, delivery: String::new() }
}

fn history_of(kept: Vec<Kept>) -> History {
    let status = ChallengeStatus::Pending;
    let kept = KeptChallenge { sid: CHALLENGE, status, notifications: kept };
    let events = vec![(1, Event::Opened(CHALLENGE)), (2, Event::Notified(CHALLENGE, SID))];
    History { events, kept: vec![kept] }
}

#[test]
fn an_attempt_at_the_deadline_is_found() {
    let at = |left, truly_left| Event::Attempt(Attempt { left, truly_left, ..attempt(0, 1) });
    assert_eq!(broken(vec![(1, at(1, 1))]), []);
    assert_eq!(broken(vec![(1, at(0, 1))]), [Rule::NoAttemptAfterTheDeadline]);
    assert_eq!(broken(vec![(1, at(1, -999_999))]), [], "clocks may differ a little");
    assert_eq!(broken(vec![(1, at(1, -1_000_000))]), [Rule::NoAttemptAfterTheDeadline]);
}

#[test]
fn two_attempts_at_once_are_found() {
    let two = |between: Vec<Event>| {
        let mut events = vec![(1, Event::Attempt(attempt(0, 1)))];
        events.extend(between.into_iter().map(|event| (2, event)));
        events.push((3, Event::Attempt(attempt(1, 2))));
        events.push((4, Event::Outcome(0, Outcome::Offline)));
        events
    };
    assert_eq!(broken(two(Vec::new())), [Rule::OneLeaseHolder]);
    assert_eq!(broken(two(vec![Event::GivenUp(0)])[..3].to_vec()), []);
    assert_eq!(broken(two(vec![Event::Paused(1)])), [], "a node that was held knows nothing");
    assert_eq!(broken(two(vec![Event::Ended(1)])[..3].to_vec()), []);
    assert_eq!(broken(two(vec![Event::Paused(2), Event::Resumed(2)])), [Rule::OneLeaseHolder]);
}

#[test]
fn a_second_attempt_with_ttl_0_is_found() {
    let once = |number| Event::Attempt(Attempt { once: true, ..attempt(number, 1) });
    assert_eq!(broken(vec![(1, once(0))]), []);
    assert_eq!(broken(vec![(1, once(0)), (20, once(1))]), [Rule::OnceIsOnce]);
}

#[test]
fn a_push_that_is_sent_again_though_it_was_taken_is_found() {
    let again = |outcome, second| {
        vec![
            (1, Event::Attempt(attempt(0, 1))),
            (2, Event::Outcome(0, outcome)),
            (second, Event::Attempt(attempt(1, 1))),
        ]
    };
    assert_eq!(broken(again(Outcome::Acknowledged, 9)), [Rule::TakenIsNotSentAgain]);
    assert_eq!(broken(again(Outcome::Acknowledged, 12)), [], "its lease may have run out");
    assert_eq!(broken(again(Outcome::Offline, 9)), []);
}

#[test]
fn an_offer_that_does_not_end_with_its_node_is_found() {
    let offer = |more: Option<Event>, ended| {
        let outcome = Event::Outcome(0, Outcome::Unacknowledged);
        let mut events = vec![(1, Event::Connected(PHONE, 2))];
        events.push((2, Event::Attempt(attempt(0, 1))));
        events.extend(more.map(|event| (2, event)));
        events.extend([(3, Event::Ended(2)), (ended, outcome)]);
        events
    };
    assert_eq!(broken(offer(None, 7)), []);
    assert_eq!(broken(offer(None, 8)), [Rule::OffersEnd]);
    assert_eq!(broken(offer(Some(Event::Link(1, false)), 8)), [], "it cannot ask");
    assert_eq!(broken(offer(Some(Event::Paused(1)), 8)), []);
}

#[test]
fn two_answers_that_were_taken_are_found() {
    let (sent, taken) = (
        |verdict| Event::AnswerSent(CHALLENGE, verdict),
        |verdict| Event::AnswerTaken(CHALLENGE, verdict),
    );
    let mut events = vec![(1, sent(Verdict::Approved)), (1, sent(Verdict::Denied))];
    events.push((2, taken(Verdict::Denied)));
    assert_eq!(broken(events.clone()), []);
    events.push((3, taken(Verdict::Approved)));
    assert_eq!(broken(events), [Rule::FirstAnswerWins]);
    let nobody = vec![(2, taken(Verdict::Approved))];
    assert_eq!(broken(nobody), [Rule::FirstAnswerWins], "nobody sent it");
}

#[test]
fn an_answer_that_goes_away_is_found() {
    let read = |status, began| Event::Read { challenge: CHALLENGE, status, began: began * SECOND };
    let answered = |later| {
        vec![
            (1, Event::AnswerSent(CHALLENGE, Verdict::Denied)),
            (2, Event::AnswerTaken(CHALLENGE, Verdict::Denied)),
            (5, later),
        ]
    };
    assert_eq!(broken(answered(read(ChallengeStatus::Denied, 4))), []);
    let asked_before = read(ChallengeStatus::Pending, 1);
    assert_eq!(broken(answered(asked_before)), []);
    assert_eq!(broken(answered(read(ChallengeStatus::Pending, 4))), [Rule::AnAnswerStays]);
}

#[test]
fn what_is_lost_pending_or_too_much_is_found() {
    assert_eq!(rules(&history_of(vec![kept(Some(Ending::DELIVERED), false)])), []);
    assert_eq!(rules(&history_of(Vec::new())), [Rule::NothingIsLost]);
    assert_eq!(rules(&history_of(vec![kept(None, false)])), [Rule::EverythingEnds]);
    let sending = Ending { status: NotificationStatus::Sending, reason: None, code: None };
    assert_eq!(rules(&history_of(vec![kept(Some(sending), false)])), [Rule::EverythingEnds]);
    let many = |number| vec![kept(Some(Ending::SENT), false); number];
    assert_eq!(rules(&history_of(many(3))), []);
    assert_eq!(rules(&history_of(many(4))), [Rule::LimitsAreKept]);
    let automatic = [many(3), vec![kept(Some(Ending::SENT), true)]].concat();
    assert_eq!(rules(&history_of(automatic)), [], "the automatic one does not count");
    let mut gone = history_of(Vec::new());
    gone.kept.clear();
    assert_eq!(rules(&gone), [Rule::NothingIsLost, Rule::NothingIsLost]);
}
