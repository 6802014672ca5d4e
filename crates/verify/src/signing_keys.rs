//! The keys that sign tokens of the OpenID provider: made when they are needed, shared by all servers of a database, and changed in
//! time (`countersign_domain::signing_key`).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_domain::jws_key::{JwsAlgorithm, JwsKey};
use countersign_domain::secret::Secret;
use countersign_domain::signing_key::{KeyAge, SigningKey, wanted};
use countersign_domain::time::Instant;
use countersign_store::StoreError;
use zeroize::Zeroizing;

use crate::error::VerifyResult;
use crate::key_ring::{KeyRing, ReadyKey};
use crate::security::{self, Event};
use crate::verify::Verify;

/// Keys are read again when they are this old: far less than a new key is announced for.
const FRESH_FOR: Duration = Duration::from_secs(60);
/// How old keys may be while the database cannot be read.
const USABLE_FOR: Duration = Duration::from_secs(10 * 60);

impl Verify {
    /// Returns the keys that sign tokens, which are at most a minute old. Makes the next key of an algorithm when it is time, and the
    /// first ones when they are asked for.
    ///
    /// # Errors
    /// The database failed, or a key cannot be opened.
    pub async fn key_ring(&self) -> VerifyResult<Arc<KeyRing>> {
        let mut current = self.key_rings.0.lock().await;
        let now = self.monotonic();
        if let Some((read_at, ring)) = &*current
            && now < *read_at + FRESH_FOR
        {
            return Ok(Arc::clone(ring));
        }
        let old = current.as_ref().map(|(_, ring)| Arc::clone(ring));
        match (self.read_key_ring(old).await, &*current) {
            (Ok(ring), _) => {
                let ring = Arc::new(ring);
                *current = Some((now, Arc::clone(&ring)));
                Ok(ring)
            }
            (Err(_), Some((read_at, ring))) if now < *read_at + USABLE_FOR => Ok(Arc::clone(ring)),
            (Err(error), _) => Err(error.into()),
        }
    }

    async fn read_key_ring(&self, old: Option<Arc<KeyRing>>) -> Result<KeyRing, StoreError> {
        let mut stored = self.store.signing_keys().await?;
        let now = self.time().await?;
        for algorithm in JwsAlgorithm::ALL {
            let own = stored.iter().filter(|key| key.algorithm == algorithm);
            let ages: Vec<_> = own.map(|key| (key.version, key.created_at)).collect();
            let ages = ages.iter().map(|&(version, created_at)| KeyAge { version, created_at });
            if let Some(version) = wanted(&ages.collect::<Vec<_>>(), now) {
                stored = self.make_signing_key(algorithm, version, now).await?;
            }
        }
        let mut ready = Vec::with_capacity(stored.len());
        for key in &stored {
            let known = old.as_ref().and_then(|ring| ring.find(key));
            ready.push(match known {
                Some(known) => known,
                None => Arc::new(self.ready_key(key).await?),
            });
        }
        Ok(KeyRing(ready))
    }

    /// Makes a key and stores it, unless another server was faster.
    async fn make_signing_key(
        &self,
        algorithm: JwsAlgorithm,
        version: i64,
        now: Instant,
    ) -> Result<Vec<SigningKey>, StoreError> {
        let made = tokio::task::spawn_blocking(move || generate(algorithm)).await;
        let text = made
            .ok()
            .flatten()
            .ok_or_else(|| StoreError::Unavailable("a signing key could not be made".to_owned()))?;
        let key = self.keys.seal(&text, &seal_context(algorithm, version), &*self.entropy);
        let new = SigningKey { algorithm, version, key, created_at: now };
        let stored = self.store.add_signing_key(&new).await?;
        if stored.contains(&new) {
            let subject = format!("{}-{version}", algorithm.as_str());
            security::done(Event::SigningKeyCreated, None, subject);
        }
        Ok(stored)
    }

    async fn ready_key(&self, stored: &SigningKey) -> Result<ReadyKey, StoreError> {
        let SigningKey { algorithm, version, ref key, created_at } = *stored;
        let corrupt =
            || StoreError::Corrupt(format!("signing_keys.key of {}-{version}", algorithm.as_str()));
        let text = self.open_stored(key, &seal_context(algorithm, version)).await?;
        let der = Zeroizing::new(STANDARD.decode(text.expose()).map_err(|_| corrupt())?);
        let key = JwsKey::from_pkcs8(algorithm, &der).map_err(|_| corrupt())?;
        let jwk = key.public_jwk().ok_or_else(corrupt)?;
        Ok(ReadyKey { age: KeyAge { version, created_at }, key, jwk })
    }
}

/// A new key: base64 of its PKCS#8. The library takes its own randomness; `None` if it has none left.
fn generate(algorithm: JwsAlgorithm) -> Option<Secret> {
    match algorithm {
        JwsAlgorithm::Rs256 => {
            let der = RsaKeyPair::generate(KeySize::Rsa2048).ok()?.as_der().ok()?;
            Some(Secret::new(STANDARD.encode(der.as_ref())))
        }
        JwsAlgorithm::Es256 => {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
            Some(Secret::new(STANDARD.encode(key.to_pkcs8v1().ok()?.as_ref())))
        }
    }
}

pub(crate) fn seal_context(algorithm: JwsAlgorithm, version: i64) -> String {
    format!("signing_keys/{}-{version}/key", algorithm.as_str())
}
