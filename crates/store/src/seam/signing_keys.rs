//! Keys that sign tokens of the OpenID provider, which all servers of a database share.

use async_trait::async_trait;
use countersign_domain::signing_key::SigningKey;

use crate::error::StoreResult;

/// The newest keys of each algorithm that are kept.
pub const SIGNING_KEYS_KEPT: i64 = 3;

/// Keys that sign tokens of the OpenID provider.
#[async_trait]
pub trait SigningKeys {
    /// Reads all keys, by algorithm and version.
    async fn signing_keys(&self) -> StoreResult<Vec<SigningKey>>;
    /// Stores a key only if its version is the next one of its algorithm, and removes all but the newest
    /// [`SIGNING_KEYS_KEPT`] of it. Returns all keys that are stored then.
    async fn add_signing_key(&self, new: &SigningKey) -> StoreResult<Vec<SigningKey>>;
}
