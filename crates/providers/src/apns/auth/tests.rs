use countersign_domain::time::Instant;
use countersign_testkit::ManualClock;

use super::*;
use crate::fixtures;

const NOON: Instant = Instant::from_seconds(1_767_268_800);
const HOUR: Duration = Duration::from_secs(3_600);

/// A clock that began at noon, so many minutes later.
fn minutes(minutes: u64) -> ManualClock {
    let clock = ManualClock::at(NOON);
    clock.advance(Duration::from_secs(minutes * 60));
    clock
}

fn token() -> Arc<ProviderToken> {
    ProviderTokens::default().of(fixtures::p256_pem(), "KEY1234567", "TEAM123456").unwrap()
}

#[test]
fn it_says_who_we_are_and_since_when() {
    let text = token().current(&minutes(0)).unwrap();
    let (header, claims) = fixtures::read_jwt(&text);
    assert_eq!(header, json!({ "alg": "ES256", "kid": "KEY1234567" }));
    assert_eq!(claims, json!({ "iss": "TEAM123456", "iat": 1_767_268_800 }));
}

#[test]
fn one_is_used_for_fifty_minutes() {
    let token = token();
    let first = token.current(&minutes(0)).unwrap();
    for minute in [1, 20, 49] {
        assert_eq!(token.current(&minutes(minute)).unwrap(), first, "{minute}");
    }
    let second = token.current(&minutes(50)).unwrap();
    assert_ne!(second, first);
    assert_eq!(token.current(&minutes(99)).unwrap(), second);
    assert_ne!(token.current(&minutes(100)).unwrap(), second);
    assert_ne!(token.current(&minutes(1_000)).unwrap(), second);
}

#[test]
fn an_expired_one_is_replaced_once_in_twenty_minutes() {
    let token = token();
    let first = token.current(&minutes(0)).unwrap();
    let second = token.refresh(&first, &minutes(1)).unwrap().unwrap();
    assert_ne!(first, second);
    let late = token.refresh(&first, &minutes(1)).unwrap();
    assert_eq!(late, Some(Arc::clone(&second)), "whoever comes late takes what is there");
    assert_eq!(token.refresh(&second, &minutes(20)).unwrap(), None);
    assert_eq!(token.current(&minutes(20)).unwrap(), second);
    assert!(token.refresh(&second, &minutes(21)).unwrap().is_some());
}

#[test]
fn too_many_bring_the_previous_one_back_while_it_lives() {
    let token = token();
    let first = token.current(&minutes(0)).unwrap();
    let second = token.current(&minutes(50)).unwrap();
    token.step_back(&first, &minutes(50));
    assert_eq!(token.current(&minutes(50)).unwrap(), second, "it was not this one");
    token.step_back(&second, &minutes(51));
    assert_eq!(token.current(&minutes(59)).unwrap(), first);
    let third = token.current(&minutes(60)).unwrap();
    assert_ne!(third, first, "an hour is the end");
    token.step_back(&third, &minutes(61));
    assert_eq!(token.current(&minutes(70)).unwrap(), third, "there is none before it of any use");
}

#[test]
fn a_key_has_one_token_however_many_credentials_hold_it() {
    let tokens = ProviderTokens::default();
    let of = |key, team| tokens.of(fixtures::p256_pem(), key, team).unwrap();
    let one = of("KEY1234567", "TEAM123456");
    assert!(Arc::ptr_eq(&one, &of("KEY1234567", "TEAM123456")));
    assert!(!Arc::ptr_eq(&one, &of("KEY1234567", "TEAM123457")));
    assert!(!Arc::ptr_eq(&one, &of("KEY1234568", "TEAM123456")));
}

/// Otherwise Apple would refuse it, and the circuit stay open, for as long as the clock had been ahead.
#[test]
fn one_that_was_signed_while_the_clock_was_ahead_is_replaced_when_it_is_put_right() {
    let (token, clock) = (token(), ManualClock::at(NOON + HOUR * 2));
    let ahead = token.current(&clock).unwrap();
    token.step_back(&ahead, &clock);
    clock.step_wall(NOON);
    let right = token.current(&clock).unwrap();
    let (_, claims) = fixtures::read_jwt(&right);
    assert_eq!(claims["iat"], 1_767_268_800);
    token.step_back(&right, &clock);
    assert_eq!(token.current(&clock).unwrap(), right, "the one from the future does not come back");
    clock.step_wall(NOON - Duration::from_secs(1));
    assert_eq!(token.current(&clock).unwrap(), right, "a small correction");
}

#[test]
fn one_that_was_signed_while_the_clock_was_behind_is_replaced_when_it_is_put_right() {
    let (token, clock) = (token(), ManualClock::at(NOON - HOUR * 2));
    let behind = token.current(&clock).unwrap();
    let fresh = token.refresh(&behind, &clock).unwrap().unwrap();
    assert_eq!(token.refresh(&fresh, &clock).unwrap(), None, "more of them would not help");
    clock.step_wall(NOON);
    let right = token.refresh(&fresh, &clock).unwrap().unwrap();
    assert_eq!(fixtures::read_jwt(&right).1["iat"], 1_767_268_800);
    assert_eq!(token.refresh(&right, &clock).unwrap(), None);
}

/// It is as old as it is, whatever the time of day says.
#[test]
fn one_ages_by_the_monotonic_clock() {
    let (token, clock) = (token(), ManualClock::at(NOON));
    let first = token.current(&clock).unwrap();
    clock.step_wall(NOON + HOUR * 2);
    assert_eq!(token.current(&clock).unwrap(), first);
    clock.step_wall(NOON);
    clock.advance(Duration::from_secs(50 * 60));
    clock.step_wall(NOON);
    assert_ne!(token.current(&clock).unwrap(), first);
}
