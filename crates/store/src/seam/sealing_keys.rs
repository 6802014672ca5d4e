//! The keys that seal stored secrets, wrapped for those who may open them.

use async_trait::async_trait;
use countersign_domain::sealing_key::{KeyHolder, SealingKeyId, WrappedKey};
use countersign_domain::time::Instant;

use crate::error::StoreResult;

/// The keys that seal stored secrets. None is stored before the first rotation.
#[async_trait]
pub trait SealingKeys {
    /// Reads all wrapped keys, by id and holder.
    async fn sealing_keys(&self) -> StoreResult<Vec<WrappedKey>>;
    /// Stores wrapped keys, only if `newest` is the greatest id that is stored (`None`: no key is). From then on no server of a
    /// release starts that cannot open what they seal. Returns whether the keys were stored.
    async fn add_sealing_keys(
        &self,
        newest: Option<SealingKeyId>,
        new: &[WrappedKey],
    ) -> StoreResult<bool>;
    /// Makes a holder the only one: removes the keys that are wrapped for others, retires all keys but the newest at `now`, and
    /// replaces the check value of the master key. Only if every key is wrapped for the holder. Returns whether that was done.
    async fn keep_only_holder(
        &self,
        holder: KeyHolder,
        check: [u8; 32],
        now: Instant,
    ) -> StoreResult<bool>;
}
