//! The provider tokens of all keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use countersign_domain::invalid::Invalid;
use countersign_domain::provider_token::KeyFingerprint;

use super::auth::ProviderToken;
use crate::jwt::SigningKey;
use crate::lock::lock;
use crate::source::{SharedToken, TokenStore, Unavailable};

/// At this number of keys, those that are not in use are removed.
const SWEEP_AT: usize = 1_024;

/// The provider tokens of Apple's keys. Credentials with the same key share its token, and so does a test push: Apple rejects
/// a second new token within twenty minutes.
pub struct ProviderTokens {
    store: Arc<dyn TokenStore>,
    tokens: Mutex<HashMap<KeyFingerprint, Arc<ProviderToken>>>,
}

impl ProviderTokens {
    /// Tokens that a store shares with other servers.
    pub fn new(store: Arc<dyn TokenStore>) -> Self {
        Self { store, tokens: Mutex::default() }
    }

    /// The token of a key.
    pub(super) fn of(
        &self,
        pem: &str,
        key_id: &str,
        team_id: &str,
    ) -> Result<Arc<ProviderToken>, Invalid> {
        let key = SigningKey::p256(pem)?;
        let name = [key.point(), key_id.as_bytes(), b"/", team_id.as_bytes()].concat();
        let mut print = [0; 16];
        print.copy_from_slice(&digest(&SHA256, &name).as_ref()[..16]);
        let mut tokens = lock(&self.tokens);
        if tokens.len() >= SWEEP_AT {
            tokens.retain(|_, token| Arc::strong_count(token) > 1);
        }
        let store = Arc::clone(&self.store);
        let new = || Arc::new(ProviderToken::new(key, (key_id, team_id), print, store));
        Ok(Arc::clone(tokens.entry(print).or_insert_with(new)))
    }
}

impl Default for ProviderTokens {
    /// Tokens of this process alone.
    fn default() -> Self {
        Self::new(Arc::new(InMemory::default()))
    }
}

/// A store in memory.
#[derive(Default)]
pub(super) struct InMemory(Mutex<HashMap<KeyFingerprint, SharedToken>>);

#[async_trait]
impl TokenStore for InMemory {
    async fn token(&self, key: KeyFingerprint) -> Result<Option<SharedToken>, Unavailable> {
        Ok(lock(&self.0).get(&key).cloned())
    }

    async fn renew(
        &self,
        key: KeyFingerprint,
        new: SharedToken,
    ) -> Result<SharedToken, Unavailable> {
        let mut tokens = lock(&self.0);
        let version = tokens.get(&key).map_or(0, |token| token.version);
        if version + 1 == new.version {
            tokens.insert(key, new);
        }
        tokens.get(&key).cloned().ok_or_else(|| Unavailable("there is no token".to_owned()))
    }
}
