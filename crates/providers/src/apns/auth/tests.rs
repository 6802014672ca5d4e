use countersign_domain::time::Instant;
use countersign_testkit::ManualClock;

use super::*;
use crate::apns::tokens::{InMemory, ProviderTokens};
use crate::fixtures;

const NOON: Instant = Instant::from_seconds(1_767_268_800);
const HOUR: Duration = Duration::from_secs(3_600);

/// A clock at this many minutes after noon.
fn minutes(minutes: u64) -> ManualClock {
    let clock = ManualClock::at(NOON);
    clock.advance(Duration::from_secs(minutes * 60));
    clock
}

fn token() -> Arc<ProviderToken> {
    ProviderTokens::default().of(fixtures::p256_pem(), "KEY1234567", "TEAM123456").unwrap()
}

#[tokio::test]
async fn a_token_names_the_team_and_its_time() {
    let text = token().current(&minutes(0)).await.unwrap();
    let (header, claims) = fixtures::read_jwt(&text);
    assert_eq!(header, json!({ "alg": "ES256", "kid": "KEY1234567" }));
    assert_eq!(claims, json!({ "iss": "TEAM123456", "iat": 1_767_268_800 }));
}

#[tokio::test]
async fn a_token_is_used_for_fifty_minutes() {
    let token = token();
    let first = token.current(&minutes(0)).await.unwrap();
    for minute in [1, 20, 49] {
        assert_eq!(token.current(&minutes(minute)).await.unwrap(), first, "{minute}");
    }
    let second = token.current(&minutes(50)).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(token.current(&minutes(99)).await.unwrap(), second);
    assert_ne!(token.current(&minutes(100)).await.unwrap(), second);
    assert_ne!(token.current(&minutes(1_000)).await.unwrap(), second);
}

#[tokio::test]
async fn a_rejected_token_is_replaced_once_in_twenty_minutes() {
    let token = token();
    let first = token.current(&minutes(0)).await.unwrap();
    let second = token.refresh(&first, &minutes(1)).await.unwrap().unwrap();
    assert_ne!(first, second);
    let late = token.refresh(&first, &minutes(1)).await.unwrap();
    assert_eq!(late, Some(Arc::clone(&second)), "a later caller gets the present token");
    assert_eq!(token.refresh(&second, &minutes(20)).await.unwrap(), None);
    assert_eq!(token.current(&minutes(20)).await.unwrap(), second);
    assert!(token.refresh(&second, &minutes(21)).await.unwrap().is_some());
}

#[tokio::test]
async fn after_too_many_tokens_the_previous_one_is_used_while_valid() {
    let token = token();
    let first = token.current(&minutes(0)).await.unwrap();
    let second = token.current(&minutes(50)).await.unwrap();
    token.step_back(&first, &minutes(50));
    assert_eq!(
        token.current(&minutes(50)).await.unwrap(),
        second,
        "the rejected token was another one"
    );
    token.step_back(&second, &minutes(51));
    assert_eq!(token.current(&minutes(59)).await.unwrap(), first);
    let third = token.current(&minutes(60)).await.unwrap();
    assert_ne!(third, first, "a token expires after an hour");
    token.step_back(&third, &minutes(61));
    assert_eq!(
        token.current(&minutes(70)).await.unwrap(),
        third,
        "there is none before it of any use"
    );
}

#[tokio::test]
async fn credentials_with_the_same_key_share_a_token() {
    let tokens = ProviderTokens::default();
    let of = |key, team| tokens.of(fixtures::p256_pem(), key, team).unwrap();
    let one = of("KEY1234567", "TEAM123456");
    assert!(Arc::ptr_eq(&one, &of("KEY1234567", "TEAM123456")));
    assert!(!Arc::ptr_eq(&one, &of("KEY1234567", "TEAM123457")));
    assert!(!Arc::ptr_eq(&one, &of("KEY1234568", "TEAM123456")));
}

/// Otherwise Apple would reject it for as long as the clock had been ahead.
#[tokio::test]
async fn a_token_signed_while_the_clock_was_ahead_is_replaced_after_the_correction() {
    let (token, clock) = (token(), ManualClock::at(NOON + HOUR * 2));
    let ahead = token.current(&clock).await.unwrap();
    token.step_back(&ahead, &clock);
    clock.step_wall(NOON);
    let right = token.current(&clock).await.unwrap();
    let (_, claims) = fixtures::read_jwt(&right);
    assert_eq!(claims["iat"], 1_767_268_800);
    token.step_back(&right, &clock);
    assert_eq!(
        token.current(&clock).await.unwrap(),
        right,
        "the one from the future does not come back"
    );
    clock.step_wall(NOON - Duration::from_secs(1));
    assert_eq!(token.current(&clock).await.unwrap(), right, "a small correction");
}

#[tokio::test]
async fn a_token_signed_while_the_clock_was_behind_is_replaced_after_the_correction() {
    let (token, clock) = (token(), ManualClock::at(NOON - HOUR * 2));
    let behind = token.current(&clock).await.unwrap();
    let fresh = token.refresh(&behind, &clock).await.unwrap().unwrap();
    assert_eq!(token.refresh(&fresh, &clock).await.unwrap(), None, "more tokens would not help");
    clock.step_wall(NOON);
    let right = token.refresh(&fresh, &clock).await.unwrap().unwrap();
    assert_eq!(fixtures::read_jwt(&right).1["iat"], 1_767_268_800);
    assert_eq!(token.refresh(&right, &clock).await.unwrap(), None);
}

/// Its age does not depend on the time of day.
#[tokio::test]
async fn a_token_ages_by_the_monotonic_clock() {
    let (token, clock) = (token(), ManualClock::at(NOON));
    let first = token.current(&clock).await.unwrap();
    clock.step_wall(NOON + HOUR * 2);
    assert_eq!(token.current(&clock).await.unwrap(), first);
    clock.step_wall(NOON);
    clock.advance(Duration::from_secs(50 * 60));
    clock.step_wall(NOON);
    assert_ne!(token.current(&clock).await.unwrap(), first);
}

/// The token of one key on several servers of one database.
fn servers<const N: usize>() -> [Arc<ProviderToken>; N] {
    let store = Arc::new(InMemory::default());
    [(); N].map(|()| {
        let tokens = ProviderTokens::new(Arc::clone(&store) as _);
        tokens.of(fixtures::p256_pem(), "KEY1234567", "TEAM123456").unwrap()
    })
}

#[tokio::test]
async fn servers_share_a_token_and_one_of_them_renews_it() {
    let [one, other, late] = servers();
    let first = one.current(&minutes(0)).await.unwrap();
    assert_eq!(other.current(&minutes(30)).await.unwrap(), first);
    let second = other.current(&minutes(50)).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(one.current(&minutes(50)).await.unwrap(), second);
    assert_eq!(late.current(&minutes(99)).await.unwrap(), second);
}

#[tokio::test]
async fn a_shared_token_that_is_too_old_or_from_the_future_is_not_used() {
    for (signed, now) in [(minutes(0), minutes(55)), (minutes(180), minutes(0))] {
        let [one, other] = servers();
        let first = one.current(&signed).await.unwrap();
        let second = other.current(&now).await.unwrap();
        assert_ne!(second, first);
        assert_eq!(fixtures::read_jwt(&second).1["iat"], now.now().as_seconds());
    }
}

#[tokio::test]
async fn servers_force_a_token_once_in_twenty_minutes_together() {
    let [one, other, late] = servers();
    let first = one.current(&minutes(0)).await.unwrap();
    assert_eq!(other.current(&minutes(0)).await.unwrap(), first);
    let second = one.refresh(&first, &minutes(1)).await.unwrap().unwrap();
    assert_eq!(other.refresh(&first, &minutes(1)).await.unwrap(), Some(Arc::clone(&second)));
    assert_eq!(late.current(&minutes(2)).await.unwrap(), second);
    for server in [&one, &other, &late] {
        assert_eq!(server.refresh(&second, &minutes(2)).await.unwrap(), None);
    }
}

/// A store whose database is unavailable.
struct Away;

#[async_trait::async_trait]
impl TokenStore for Away {
    async fn token(&self, _: KeyFingerprint) -> Result<Option<SharedToken>, Unavailable> {
        Err(Unavailable("the database is away".to_owned()))
    }

    async fn renew(&self, _: KeyFingerprint, _: SharedToken) -> Result<SharedToken, Unavailable> {
        Err(Unavailable("the database is away".to_owned()))
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_shared_is_not_used() {
    let tokens = ProviderTokens::new(Arc::new(Away));
    let token = tokens.of(fixtures::p256_pem(), "KEY1234567", "TEAM123456").unwrap();
    let why = token.current(&minutes(0)).await.unwrap_err();
    assert_eq!(why, TokenError::Unavailable(Unavailable("the database is away".to_owned())));
}
