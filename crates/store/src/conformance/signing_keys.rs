//! Keys that sign tokens of the OpenID provider.

use countersign_domain::jws_key::JwsAlgorithm;
use countersign_domain::secret::Sealed;
use countersign_domain::signing_key::SigningKey;
use countersign_domain::time::Instant;

use super::fixture::Fixture;

fn key(algorithm: JwsAlgorithm, version: i64, name: u8) -> SigningKey {
    let created_at = Instant::from_seconds(1_000 * version);
    SigningKey { algorithm, version, key: Sealed::from_bytes(vec![name; 1_700]), created_at }
}

/// By algorithm and version.
pub async fn signing_keys_read_back_as_they_were_stored(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(store.signing_keys().await, Ok(vec![]));
    let (rsa, curve) = (key(JwsAlgorithm::Rs256, 1, 1), key(JwsAlgorithm::Es256, 1, 2));
    assert_eq!(store.add_signing_key(&rsa).await, Ok(vec![rsa.clone()]));
    let both = vec![curve.clone(), rsa];
    assert_eq!(store.add_signing_key(&curve).await, Ok(both.clone()));
    assert_eq!(store.signing_keys().await, Ok(both));
}

/// The other nodes get the stored key. A version that is not the next one is not stored.
pub async fn of_nodes_that_make_a_signing_key_at_once_one_does(fixture: &Fixture) {
    let early = key(JwsAlgorithm::Es256, 2, 99);
    assert_eq!(fixture.store.add_signing_key(&early).await, Ok(vec![]));
    for version in 1..3 {
        let made = (0..8).map(|node| {
            let store = std::sync::Arc::clone(&fixture.store);
            let new = key(JwsAlgorithm::Es256, version, node);
            tokio::spawn(async move { store.add_signing_key(&new).await.unwrap() })
        });
        let made: Vec<_> = made.collect();
        let mut told = Vec::new();
        for one in made {
            told.push(one.await.unwrap());
        }
        told.dedup();
        assert_eq!(told.len(), 1, "all get the same keys");
        assert_eq!(fixture.store.signing_keys().await, Ok(told.remove(0)));
    }
}

/// Of each algorithm for itself.
pub async fn only_the_newest_signing_keys_are_kept(fixture: &Fixture) {
    let store = &fixture.store;
    store.add_signing_key(&key(JwsAlgorithm::Rs256, 1, 1)).await.unwrap();
    for version in 1..6 {
        store.add_signing_key(&key(JwsAlgorithm::Es256, version, 1)).await.unwrap();
    }
    let kept: Vec<_> = store.signing_keys().await.unwrap();
    let kept: Vec<_> = kept.iter().map(|key| (key.algorithm, key.version)).collect();
    let curve = |version| (JwsAlgorithm::Es256, version);
    assert_eq!(kept, [curve(3), curve(4), curve(5), (JwsAlgorithm::Rs256, 1)]);
}
