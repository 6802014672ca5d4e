//! The keys that sign tokens of the OpenID provider, ready to sign and to be published.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use countersign_domain::jws_key::{CannotSign, JwsAlgorithm, JwsKey};
use countersign_domain::monotonic::Monotonic;
use countersign_domain::signing_key::{KeyAge, SigningKey, is_published, signing};
use countersign_domain::time::Instant;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// A key that is ready to sign.
pub(crate) struct ReadyKey {
    pub(crate) age: KeyAge,
    pub(crate) key: JwsKey,
    /// The public key, with its `kid`.
    pub(crate) jwk: Value,
}

/// All keys, ready to sign and to be published.
pub struct KeyRing(pub(crate) Vec<Arc<ReadyKey>>);

impl KeyRing {
    fn of(&self, algorithm: JwsAlgorithm) -> Vec<KeyAge> {
        let own = self.0.iter().filter(|ready| ready.key.algorithm() == algorithm);
        own.map(|ready| ready.age).collect()
    }

    /// The public keys at `now` as a JWK set (RFC 7517).
    pub fn published(&self, now: Instant) -> Value {
        let is_public =
            |ready: &&Arc<ReadyKey>| is_published(ready.age, &self.of(ready.key.algorithm()), now);
        let keys: Vec<_> = self.0.iter().filter(is_public).map(|ready| ready.jwk.clone()).collect();
        json!({ "keys": keys })
    }

    /// Signs claims by the key of an algorithm that signs at `now`.
    pub(crate) fn sign(
        &self,
        algorithm: JwsAlgorithm,
        claims: &Value,
        now: Instant,
    ) -> Result<String, CannotSign> {
        let version = signing(&self.of(algorithm), now).ok_or(CannotSign)?;
        let is_it = |ready: &&Arc<ReadyKey>| {
            ready.age.version == version && ready.key.algorithm() == algorithm
        };
        let ready = self.0.iter().find(is_it).ok_or(CannotSign)?;
        let header = json!({"typ": "JWT", "kid": ready.jwk["kid"]});
        ready.key.sign(header, claims, &SystemRandom::new())
    }

    /// The key of this version, if it is here.
    pub(crate) fn find(&self, stored: &SigningKey) -> Option<Arc<ReadyKey>> {
        let is_it = |ready: &&Arc<ReadyKey>| {
            ready.key.algorithm() == stored.algorithm
                && ready.age == KeyAge { version: stored.version, created_at: stored.created_at }
        };
        self.0.iter().find(is_it).cloned()
    }
}

/// The keys that were read last. The lock is held while they are read, so that one request reads for all.
#[derive(Default)]
pub(crate) struct KeyRings(pub(crate) Mutex<Option<(Monotonic, Arc<KeyRing>)>>);
