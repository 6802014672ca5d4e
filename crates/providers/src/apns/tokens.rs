//! The tokens of all keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use countersign_domain::invalid::Invalid;
use countersign_domain::provider_token::KeyFingerprint;

use super::auth::ProviderToken;
use crate::jwt::SigningKey;
use crate::source::{SharedToken, TokenKeeper, Unavailable};
use crate::wards::lock;

/// Keys that nobody uses are let go when there are this many.
const MANY: usize = 1_024;

/// The tokens of Apple's keys. Credentials that hold the same key share its token, and so does a trial of one: Apple refuses a
/// second new token within twenty minutes.
pub struct ProviderTokens {
    keeper: Arc<dyn TokenKeeper>,
    held: Mutex<HashMap<KeyFingerprint, Arc<ProviderToken>>>,
}

impl ProviderTokens {
    /// Those that a keeper shares with other servers.
    pub fn new(keeper: Arc<dyn TokenKeeper>) -> Self {
        Self { keeper, held: Mutex::default() }
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
        let mut held = lock(&self.held);
        if held.len() >= MANY {
            held.retain(|_, token| Arc::strong_count(token) > 1);
        }
        let keeper = Arc::clone(&self.keeper);
        let fresh = || Arc::new(ProviderToken::new(key, (key_id, team_id), print, keeper));
        Ok(Arc::clone(held.entry(print).or_insert_with(fresh)))
    }
}

impl Default for ProviderTokens {
    /// Those of this process alone.
    fn default() -> Self {
        Self::new(Arc::new(InMemory::default()))
    }
}

/// Keeps tokens for as long as it lives.
#[derive(Default)]
pub(super) struct InMemory(Mutex<HashMap<KeyFingerprint, SharedToken>>);

#[async_trait]
impl TokenKeeper for InMemory {
    async fn token(&self, key: KeyFingerprint) -> Result<Option<SharedToken>, Unavailable> {
        Ok(lock(&self.0).get(&key).cloned())
    }

    async fn renew(
        &self,
        key: KeyFingerprint,
        new: SharedToken,
    ) -> Result<SharedToken, Unavailable> {
        let mut kept = lock(&self.0);
        let version = kept.get(&key).map_or(0, |kept| kept.version);
        if version + 1 == new.version {
            kept.insert(key, new);
        }
        kept.get(&key).cloned().ok_or_else(|| Unavailable("there is no token".to_owned()))
    }
}
