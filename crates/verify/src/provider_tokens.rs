//! The provider tokens of Apple's keys, which all servers of a database share.

use countersign_domain::provider_token::{KeyFingerprint, ProviderToken};
use countersign_domain::secret::Secret;
use countersign_domain::time::Instant;

use crate::error::VerifyResult;
use crate::verify::Verify;

/// A new provider token; see [`ProviderToken`] for its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewProviderToken {
    /// The key that signed it.
    pub key: KeyFingerprint,
    /// One more than the version of the token that it replaces.
    pub version: i64,
    /// When it was signed.
    pub signed_at: Instant,
    /// When the push service last asked for an early renewal.
    pub forced_at: Option<Instant>,
}

impl Verify {
    /// Returns the token of a key, and its text.
    ///
    /// # Errors
    /// The database failed, or the token cannot be opened.
    pub async fn provider_token(
        &self,
        key: KeyFingerprint,
    ) -> VerifyResult<Option<(ProviderToken, Secret)>> {
        let Some(found) = self.store.provider_token(key).await? else { return Ok(None) };
        self.open_provider_token(found).await.map(Some)
    }

    /// Stores a token if its version is the next one. Returns the token that is stored then, and its text.
    ///
    /// # Errors
    /// The database failed, or the token cannot be opened.
    pub async fn renew_provider_token(
        &self,
        new: NewProviderToken,
        text: &Secret,
    ) -> VerifyResult<(ProviderToken, Secret)> {
        let NewProviderToken { key, version, signed_at, forced_at } = new;
        let token = self.keys.seal(text, &seal_context(key), &*self.entropy);
        let new = ProviderToken { key, version, token, signed_at, forced_at };
        let there = self.store.renew_provider_token(&new).await?;
        self.open_provider_token(there).await
    }

    async fn open_provider_token(
        &self,
        found: ProviderToken,
    ) -> VerifyResult<(ProviderToken, Secret)> {
        let text = self.open_stored(&found.token, &seal_context(found.key)).await?;
        Ok((found, text))
    }
}

pub(crate) fn seal_context(key: KeyFingerprint) -> String {
    format!("provider_tokens/{:032x}/token", u128::from_be_bytes(key))
}
