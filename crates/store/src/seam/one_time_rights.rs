//! Rights that count once on all nodes.

use async_trait::async_trait;
use countersign_domain::one_time_right::RightId;
use countersign_domain::time::Instant;

use crate::error::StoreResult;

/// Rights that count once on all nodes.
#[async_trait]
pub trait OneTimeRights {
    /// Uses a right up, which ends at `until`. Returns whether it was not used before; otherwise it is misused from now on.
    async fn use_right(&self, id: RightId, until: Instant) -> StoreResult<bool>;
    /// Whether a right was used more than once.
    async fn is_right_misused(&self, id: RightId) -> StoreResult<bool>;
}
