use super::*;
use crate::fixtures;

const NOON: Instant = Instant::from_seconds(1_767_268_800);

fn minutes(minutes: u64) -> Instant {
    NOON + Duration::from_secs(minutes * 60)
}

fn token() -> Arc<ProviderToken> {
    ProviderTokens::default().of(fixtures::p256_pem(), "KEY1234567", "TEAM123456").unwrap()
}

#[test]
fn it_says_who_we_are_and_since_when() {
    let text = token().at(NOON).unwrap();
    let (header, claims) = fixtures::read_jwt(&text);
    assert_eq!(header, json!({ "alg": "ES256", "kid": "KEY1234567" }));
    assert_eq!(claims, json!({ "iss": "TEAM123456", "iat": 1_767_268_800 }));
}

#[test]
fn one_is_used_for_fifty_minutes() {
    let token = token();
    let first = token.at(NOON).unwrap();
    for minute in [1, 20, 49] {
        assert_eq!(token.at(minutes(minute)).unwrap(), first, "{minute}");
    }
    let second = token.at(minutes(50)).unwrap();
    assert_ne!(second, first);
    assert_eq!(token.at(minutes(99)).unwrap(), second);
    assert_ne!(token.at(minutes(100)).unwrap(), second);
    assert_ne!(token.at(minutes(1_000)).unwrap(), second);
}

#[test]
fn an_expired_one_is_replaced_once_in_twenty_minutes() {
    let token = token();
    let first = token.at(NOON).unwrap();
    let second = token.refresh(&first, minutes(1)).unwrap().unwrap();
    assert_ne!(first, second);
    let late = token.refresh(&first, minutes(1)).unwrap();
    assert_eq!(late, Some(Arc::clone(&second)), "whoever comes late takes what is there");
    assert_eq!(token.refresh(&second, minutes(20)).unwrap(), None);
    assert_eq!(token.at(minutes(20)).unwrap(), second);
    assert!(token.refresh(&second, minutes(21)).unwrap().is_some());
}

#[test]
fn too_many_bring_the_previous_one_back_while_it_lives() {
    let token = token();
    let first = token.at(NOON).unwrap();
    let second = token.at(minutes(50)).unwrap();
    token.step_back(&first, minutes(50));
    assert_eq!(token.at(minutes(50)).unwrap(), second, "it was not this one");
    token.step_back(&second, minutes(51));
    assert_eq!(token.at(minutes(59)).unwrap(), first);
    let third = token.at(minutes(60)).unwrap();
    assert_ne!(third, first, "an hour is the end");
    token.step_back(&third, minutes(61));
    assert_eq!(token.at(minutes(70)).unwrap(), third, "there is none before it of any use");
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
