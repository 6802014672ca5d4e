use super::*;

const CODE: Code = Code(52_110);

fn at(seconds: i64) -> Instant {
    Instant::from_seconds(1_700_000_000 + seconds)
}

/// A delivery that may be tried for five minutes, and whose first attempt has just failed.
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

fn after(once: bool, outcome: Outcome, code: Option<Code>, now: Instant) -> After {
    after_attempt(&delivery(once), &Attempt::plain(outcome, code), now, 0)
}

#[test]
fn what_follows_each_outcome() {
    let later = Outcome::Later { not_before: None };
    let gone = Outcome::Gone { since: None };
    let refused = Outcome::Refused { breaks_credential: true };
    let failed = |reason, code| After::Done(Ending::failed(reason, code));
    let nobody = Code::NO_DESTINATION;
    let table = [
        (false, Outcome::Accepted, After::Done(Ending::SENT)),
        (true, Outcome::Accepted, After::Done(Ending::SENT)),
        (false, Outcome::Acknowledged, After::Done(Ending::DELIVERED)),
        (true, Outcome::Acknowledged, After::Done(Ending::DELIVERED)),
        (false, Outcome::Unacknowledged, After::Park),
        (true, Outcome::Unacknowledged, After::Done(Ending::SENT)),
        (false, Outcome::Offline, After::Park),
        (true, Outcome::Offline, failed(Reason::DeviceOffline, nobody)),
        (false, gone, failed(Reason::AddressGone, nobody)),
        (true, gone, failed(Reason::AddressGone, nobody)),
        (false, refused, failed(Reason::Refused, Code::INTERNAL)),
        (true, refused, failed(Reason::Refused, Code::INTERNAL)),
        (false, later, After::Retry { at: at(1) }),
        (true, later, failed(Reason::AttemptFailed, Code::INTERNAL)),
    ];
    for (once, outcome, expected) in table {
        assert_eq!(after(once, outcome, None, at(0)), expected, "{outcome:?}, once: {once}");
    }
}

#[test]
fn the_push_services_own_code_is_kept() {
    for outcome in [Outcome::Gone { since: None }, Outcome::Refused { breaks_credential: false }] {
        let After::Done(ending) = after(false, outcome, Some(CODE), at(0)) else {
            panic!("{outcome:?} is followed by nothing");
        };
        assert_eq!(ending.code, Some(CODE));
    }
}

#[test]
fn at_the_deadline_nothing_waits_any_more() {
    let over = After::Done(Ending::EXPIRED);
    for outcome in [Outcome::Offline, Outcome::Unacknowledged] {
        assert_eq!(after(false, outcome, None, at(300) - Duration::from_micros(1)), After::Park);
        assert_eq!(after(false, outcome, None, at(300)), over);
    }
    let asks_for = |seconds| Outcome::Later { not_before: Some(at(seconds)) };
    assert_eq!(after(false, asks_for(299), None, at(0)), After::Retry { at: at(299) });
    for beyond in [300, 900] {
        let waits = After::Retry { at: at(300) };
        assert_eq!(
            after(false, asks_for(beyond), None, at(0)),
            waits,
            "not expired before its time"
        );
    }
    assert_eq!(after(false, asks_for(900), None, at(300)), over);
    assert_eq!(after(false, asks_for(0), None, at(0)), After::Retry { at: at(1) });
}

/// Backoff alone would pass the deadline; one more try, a second before, may still reach the person.
#[test]
fn the_last_try_is_a_second_before_the_end() {
    let mut delivery = delivery(false);
    delivery.attempts = 8;
    let failed = Attempt::plain(Outcome::Later { not_before: None }, None);
    let last = after_attempt(&delivery, &failed, at(290), 0);
    assert_eq!(last, After::Retry { at: at(299) });
    assert_eq!(after_attempt(&delivery, &failed, at(300), 0), After::Done(Ending::EXPIRED));
}

/// A push of one second is tried twice too, and what is left of it is not cut off.
#[test]
fn when_less_than_two_seconds_are_left_half_of_them_is_waited_for() {
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
        let expected = After::Retry { at: before(next) };
        assert_eq!(after_attempt(&delivery, &failed, before(left), 0), expected, "{left} ms left");
    }
}

#[test]
fn who_never_got_a_turn_is_told_so() {
    for once in [false, true] {
        assert_eq!(overdue(&delivery(once)), Ending::NOT_ATTEMPTED);
        assert_eq!(overdue(&Delivery { attempts: 1, ..delivery(once) }), Ending::EXPIRED);
    }
    for attempts in [0, 1] {
        assert_eq!(
            Ending::overdue(true, attempts),
            Ending::DEVICE_AWAY,
            "it waited for its device"
        );
    }
}

#[test]
fn a_record_has_the_words_of_the_push_service() {
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
