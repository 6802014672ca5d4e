use super::*;
use crate::prospect::overdue;
use crate::sid::{ChallengeSid, EntitySid, FactorSid, NotificationSid};

const CODE: ErrorCode = ErrorCode(52_110);

fn at(seconds: i64) -> Instant {
    Instant::from_seconds(1_700_000_000 + seconds)
}

/// A delivery with five minutes to its deadline and no attempts.
fn delivery(once: bool) -> Delivery {
    Delivery {
        notification: NotificationSid::from_bytes([1; 16]),
        challenge: ChallengeSid::from_bytes([2; 16]),
        factor: FactorSid::from_bytes([3; 16]),
        entity: EntitySid::from_bytes([4; 16]),
        deadline: at(300),
        once,
        attempts: 0,
    }
}

fn after(once: bool, outcome: Outcome, code: Option<ErrorCode>, now: Instant) -> AfterAttempt {
    after_attempt(&delivery(once), &Attempt::plain(outcome, code), now, 0)
}

#[test]
fn every_outcome_has_its_consequence() {
    let later = Outcome::Later { not_before: None };
    let gone = Outcome::Gone { since: None };
    let refused = Outcome::Refused { breaks_credential: true };
    let failed = |reason, code| AfterAttempt::Done(Ending::failed(reason, code));
    let nobody = ErrorCode::NO_DESTINATION;
    let table = [
        (false, Outcome::Accepted, AfterAttempt::Done(Ending::SENT)),
        (true, Outcome::Accepted, AfterAttempt::Done(Ending::SENT)),
        (false, Outcome::Acknowledged, AfterAttempt::Done(Ending::DELIVERED)),
        (true, Outcome::Acknowledged, AfterAttempt::Done(Ending::DELIVERED)),
        (false, Outcome::Unacknowledged, AfterAttempt::Park),
        (true, Outcome::Unacknowledged, AfterAttempt::Done(Ending::SENT)),
        (false, Outcome::Offline, AfterAttempt::Park),
        (true, Outcome::Offline, failed(StatusReason::DeviceOffline, nobody)),
        (false, gone, failed(StatusReason::AddressGone, nobody)),
        (true, gone, failed(StatusReason::AddressGone, nobody)),
        (false, refused, failed(StatusReason::Refused, ErrorCode::INTERNAL)),
        (true, refused, failed(StatusReason::Refused, ErrorCode::INTERNAL)),
        (false, later, AfterAttempt::Retry { at: at(1) }),
        (true, later, failed(StatusReason::AttemptFailed, ErrorCode::INTERNAL)),
    ];
    for (once, outcome, expected) in table {
        assert_eq!(after(once, outcome, None, at(0)), expected, "{outcome:?}, once: {once}");
    }
}

#[test]
fn the_push_services_error_code_is_kept() {
    for outcome in [Outcome::Gone { since: None }, Outcome::Refused { breaks_credential: false }] {
        let AfterAttempt::Done(ending) = after(false, outcome, Some(CODE), at(0)) else {
            panic!("{outcome:?} does not end the delivery");
        };
        assert_eq!(ending.code, Some(CODE));
    }
}

#[test]
fn at_the_deadline_a_delivery_ends() {
    let over = AfterAttempt::Done(Ending::EXPIRED);
    for outcome in [Outcome::Offline, Outcome::Unacknowledged] {
        assert_eq!(
            after(false, outcome, None, at(300) - Duration::from_micros(1)),
            AfterAttempt::Park
        );
        assert_eq!(after(false, outcome, None, at(300)), over);
    }
    let asks_for = |seconds| Outcome::Later { not_before: Some(at(seconds)) };
    assert_eq!(after(false, asks_for(299), None, at(0)), AfterAttempt::Retry { at: at(299) });
    for beyond in [300, 900] {
        let waits = AfterAttempt::Retry { at: at(300) };
        assert_eq!(
            after(false, asks_for(beyond), None, at(0)),
            waits,
            "it expires at its deadline and not before"
        );
    }
    assert_eq!(after(false, asks_for(900), None, at(300)), over);
    assert_eq!(after(false, asks_for(0), None, at(0)), AfterAttempt::Retry { at: at(1) });
}

/// Backoff alone would miss the deadline. An attempt one second before it may still reach the person.
#[test]
fn the_last_attempt_is_a_second_before_the_deadline() {
    let mut delivery = delivery(false);
    delivery.attempts = 8;
    let failed = Attempt::plain(Outcome::Later { not_before: None }, None);
    let last = after_attempt(&delivery, &failed, at(290), 0);
    assert_eq!(last, AfterAttempt::Retry { at: at(299) });
    assert_eq!(after_attempt(&delivery, &failed, at(300), 0), AfterAttempt::Done(Ending::EXPIRED));
}

/// A push with a TTL of one second is attempted twice as well.
#[test]
fn with_less_than_two_seconds_left_the_delay_is_half_of_them() {
    let failed = Attempt::plain(Outcome::Later { not_before: None }, None);
    let mut delivery = delivery(false);
    for (attempts, left, next) in [
        (8, 2_000, 1_000),
        (8, 1_500, 750),
        (0, 1_000, 500),
        (1, 990, 495),
        (2, 400, 200),
        (3, 399, 0),
        (3, 1, 0),
    ] {
        delivery.attempts = attempts;
        let before = |millis| delivery.deadline - Duration::from_millis(millis);
        let expected = AfterAttempt::Retry { at: before(next) };
        assert_eq!(after_attempt(&delivery, &failed, before(left), 0), expected, "{left} ms left");
    }
}

#[test]
fn an_overdue_delivery_without_attempts_ends_as_not_attempted() {
    for once in [false, true] {
        assert_eq!(overdue(&delivery(once)), Ending::NOT_ATTEMPTED);
        assert_eq!(overdue(&Delivery { attempts: 1, ..delivery(once) }), Ending::EXPIRED);
    }
    for attempts in [0, 1] {
        assert_eq!(
            Ending::overdue(true, attempts),
            Ending::DEVICE_AWAY,
            "the device was not present"
        );
    }
}

#[test]
fn a_record_has_the_push_services_description() {
    let attempt = Attempt {
        outcome: Outcome::Later { not_before: None },
        provider_status: Some(503),
        provider_reason: Some("UNAVAILABLE".into()),
        code: Some(CODE),
    };
    let record = attempt.record(Platform::Fcm, at(0), Duration::from_millis(20));
    assert_eq!((record.started_at(), record.micros), (at(0), 20_000));
    assert_eq!((record.platform.as_str(), record.outcome.as_str()), ("fcm", "later"));
    assert_eq!((record.provider_status, record.code), (Some(503), Some(CODE)));
    assert_eq!(record.provider_reason.as_deref(), Some("UNAVAILABLE"));
}
