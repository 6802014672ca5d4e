//! The keys that seal stored secrets.

use countersign_domain::sealing_key::{KeyHolder, SealingKeyId, WrappedKey};
use countersign_domain::secret::Sealed;
use countersign_domain::time::Instant;
use tokio::task::JoinSet;

use super::fixture::Fixture;

const OLD: KeyHolder = KeyHolder([1; 16]);
const NEW: KeyHolder = KeyHolder([2; 16]);

fn key(id: u8, holder: KeyHolder) -> WrappedKey {
    let wrapped = Sealed::from_bytes(vec![id; 60]);
    let created_at = Instant::from_seconds(1_000 * i64::from(id));
    WrappedKey { id: SealingKeyId(id), holder, wrapped, created_at, retired_at: None }
}

/// One that knows the newest key.
pub async fn of_rotations_that_begin_at_once_one_does(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(store.sealing_keys().await, Ok(vec![]));
    let mut beginning = JoinSet::new();
    for node in 0..8 {
        let store = store.clone();
        let new = [key(1, KeyHolder([node; 16])), key(2, KeyHolder([node; 16]))];
        beginning.spawn(async move { store.add_sealing_keys(None, &new).await.unwrap() });
    }
    let begun = beginning.join_all().await;
    assert_eq!(begun.iter().filter(|begun| **begun).count(), 1);
    assert_eq!(store.sealing_keys().await.unwrap().len(), 2);
    assert_eq!(store.add_sealing_keys(Some(SealingKeyId(1)), &[key(3, NEW)]).await, Ok(false));
    assert_eq!(store.add_sealing_keys(Some(SealingKeyId(2)), &[key(3, NEW)]).await, Ok(true));
}

/// The others' keys are removed, and the check value is the holder's. Keys are read by id and holder.
pub async fn only_a_holder_of_all_keys_becomes_the_only_one(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(store.key_check([1; 32]).await, Ok([1; 32]));
    let first = [key(2, OLD), key(1, NEW), key(1, OLD)];
    assert_eq!(store.add_sealing_keys(None, &first).await, Ok(true));
    let now = fixture.now();
    for holder in [NEW, KeyHolder([7; 16])] {
        assert_eq!(store.keep_only_holder(holder, [2; 32], now).await, Ok(false));
    }
    let kept = vec![key(1, OLD), key(1, NEW), key(2, OLD)];
    assert_eq!(store.sealing_keys().await, Ok(kept));
    assert_eq!(store.key_check([9; 32]).await, Ok([1; 32]));

    assert_eq!(store.add_sealing_keys(Some(SealingKeyId(2)), &[key(2, NEW)]).await, Ok(true));
    assert_eq!(store.keep_only_holder(NEW, [2; 32], now).await, Ok(true));
    let one = WrappedKey { retired_at: Some(now), ..key(1, NEW) };
    assert_eq!(store.sealing_keys().await, Ok(vec![one.clone(), key(2, NEW)]));
    assert_eq!(store.key_check([9; 32]).await, Ok([2; 32]));
    // A key keeps the time at which it was retired.
    fixture.pass(60);
    store.add_sealing_keys(Some(SealingKeyId(2)), &[key(3, NEW)]).await.unwrap();
    assert_eq!(store.keep_only_holder(NEW, [2; 32], fixture.now()).await, Ok(true));
    let two = WrappedKey { retired_at: Some(fixture.now()), ..key(2, NEW) };
    assert_eq!(store.sealing_keys().await, Ok(vec![one, two, key(3, NEW)]));
}
