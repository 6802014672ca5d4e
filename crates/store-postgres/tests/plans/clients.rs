//! The statements about clients of the OpenID provider.

use countersign_domain::backchannel::BackchannelId;
use countersign_domain::jws_key::JwsAlgorithm;
use countersign_domain::one_time_right::RightId;
use countersign_domain::sealing_key::{KeyHolder, SealingKeyId, WrappedKey};
use countersign_domain::secret::Sealed;
use countersign_domain::signing_key::SigningKey;
use countersign_store::conformance::Fixture;

/// Calls the client that asked, which fetches the approval, uses up a right of another, and keeps a key.
pub(crate) async fn tell_the_client(fixture: &Fixture, id: BackchannelId) {
    let (store, now, until) = (&fixture.store, fixture.now(), fixture.later(30));
    store.next_backchannel_call().await.unwrap();
    let leases = store.lease_backchannel_calls(fixture.make.node, now, until, 10).await.unwrap();
    store.settle_backchannel_call(&leases[0], None).await.unwrap();
    store.backchannel_request(id).await.unwrap();
    store.redeem_backchannel(id, now).await.unwrap();
    let right = RightId::of("sign-in", "x");
    store.use_right(right, until).await.unwrap();
    store.is_right_misused(right).await.unwrap();
    let last = store.signing_keys().await.unwrap().iter().map(|key| key.version).max();
    let version = last.unwrap_or(0) + 1;
    let new = SigningKey { version, ..fixture.make.signing_key(JwsAlgorithm::Es256) };
    assert!(store.add_signing_key(&new).await.unwrap().contains(&new));
    let holder = KeyHolder([1; 16]);
    let wrapped = Sealed::from_bytes(vec![1; 60]);
    let (created_at, retired_at) = (now, None);
    let newest = store.sealing_keys().await.unwrap().last().map(|key| key.id);
    let id = newest.map_or(Some(SealingKeyId::FIRST), SealingKeyId::next).unwrap();
    let key = WrappedKey { id, holder, wrapped, created_at, retired_at };
    assert_eq!(store.add_sealing_keys(newest, &[key]).await, Ok(true));
    assert_eq!(store.keep_only_holder(holder, [1; 32], now).await, Ok(true));
}
