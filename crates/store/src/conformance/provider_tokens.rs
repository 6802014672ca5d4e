//! Provider tokens. A key has one at a time.

use countersign_domain::provider_token::{KeyFingerprint, ProviderToken};
use countersign_domain::secret::Sealed;
use countersign_domain::time::Instant;

use super::fixture::Fixture;

const DAY: i64 = 24 * 60 * 60;

fn token(key: KeyFingerprint, version: i64, name: u8, second: i64) -> ProviderToken {
    let (token, signed_at) = (Sealed::from_bytes(vec![name; 300]), Instant::from_seconds(second));
    let forced_at = (version > 1).then_some(signed_at);
    ProviderToken { key, version, token, signed_at, forced_at }
}

/// It is found by its key only.
pub async fn a_provider_token_reads_back_as_it_was_stored(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(store.provider_token([1; 16]).await, Ok(None));
    for token in [token([1; 16], 1, 7, 1_000), token([1; 16], 2, 8, 2_000)] {
        assert_eq!(store.renew_provider_token(&token).await, Ok(token.clone()));
        assert_eq!(store.provider_token([1; 16]).await, Ok(Some(token)));
        assert_eq!(store.provider_token([2; 16]).await, Ok(None));
    }
}

/// The other nodes get the stored token.
pub async fn of_nodes_that_renew_a_provider_token_at_once_one_does(fixture: &Fixture) {
    for version in 1..4 {
        let renewals = (0..8).map(|node| {
            let store = std::sync::Arc::clone(&fixture.store);
            let new = token([3; 16], version, node, version * 3_000);
            tokio::spawn(async move { store.renew_provider_token(&new).await.unwrap() })
        });
        let renewals: Vec<_> = renewals.collect();
        let mut told = Vec::new();
        for renewal in renewals {
            told.push(renewal.await.unwrap());
        }
        told.dedup();
        assert_eq!(told.len(), 1, "all get the same token");
        assert_eq!(fixture.store.provider_token([3; 16]).await, Ok(told.pop()));
    }
    let late = token([3; 16], 2, 99, 6_000);
    let there = fixture.store.renew_provider_token(&late).await.unwrap();
    assert_eq!(there.version, 3);
}

/// Tokens of unused keys are removed.
pub async fn a_provider_token_of_the_day_before_goes_when_another_is_stored(fixture: &Fixture) {
    let store = &fixture.store;
    let (old, kept) = (token([4; 16], 1, 1, DAY), token([5; 16], 1, 1, DAY + 1));
    for token in [&old, &kept, &token([6; 16], 1, 1, 2 * DAY + 1)] {
        store.renew_provider_token(token).await.unwrap();
    }
    assert_eq!(store.provider_token(old.key).await, Ok(None));
    assert_eq!(store.provider_token(kept.key).await, Ok(Some(kept)));
}
