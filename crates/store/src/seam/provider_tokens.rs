//! Provider tokens of Apple's keys, which all servers of a database share.

use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::provider_token::{KeyFingerprint, ProviderToken};

use crate::error::StoreResult;

/// How long a provider token is kept that no other replaces.
pub const PROVIDER_TOKENS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Provider tokens of Apple's keys.
#[async_trait]
pub trait ProviderTokens {
    /// Reads the token of a key.
    async fn provider_token(&self, key: KeyFingerprint) -> StoreResult<Option<ProviderToken>>;
    /// Stores a token only if its version is the next one. Returns the token that is stored then. Removes tokens of other keys
    /// that are older than this one by [`PROVIDER_TOKENS_KEPT`], a few at a time.
    async fn renew_provider_token(&self, new: &ProviderToken) -> StoreResult<ProviderToken>;
}
