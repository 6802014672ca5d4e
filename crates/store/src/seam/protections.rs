//! Protection of entities against too many prompts.

use async_trait::async_trait;
use countersign_domain::entity::Owner;
use countersign_domain::protection::Protection;
use countersign_domain::sid::{EntitySid, ServiceSid};
use countersign_domain::time::Instant;

use crate::error::StoreResult;

/// Protections. [`Challenges::open_challenge`](super::Challenges::open_challenge) judges by them and begins pauses; an approval
/// removes a pause whose reason is [`InARow`](countersign_domain::protection::PauseReason::InARow).
#[async_trait]
pub trait Protections {
    /// Reads what is stored about an entity's protection.
    async fn protection(&self, entity: EntitySid) -> StoreResult<Option<Protection>>;
    /// Replaces what is stored about an entity's protection. Returns whether the entity exists; without it nothing is stored.
    async fn protect(&self, owner: &Owner, protection: Protection) -> StoreResult<bool>;
    /// Lists the entities of a service that are paused at `now`, by their SIDs from behind `after` on: up to `most`.
    async fn paused(
        &self,
        service: ServiceSid,
        after: Option<EntitySid>,
        most: usize,
        now: Instant,
    ) -> StoreResult<Vec<(Owner, Protection)>>;
}
