//! Entities.

use async_trait::async_trait;
use countersign_domain::entity::Entity;
use countersign_domain::sid::{EntitySid, ServiceSid};
use countersign_domain::text::{AccountLabel, Identity};
use countersign_domain::time::Instant;

use super::writes::Inserted;
use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// Entities.
#[async_trait]
pub trait Entities {
    /// Stores a new entity, whose identity must be unique in its service. [`Inserted::NoParent`] without the service.
    async fn create_entity(&self, entity: &Entity) -> StoreResult<Inserted>;
    /// Reads an entity.
    async fn entity(&self, service: ServiceSid, identity: &Identity)
    -> StoreResult<Option<Entity>>;
    /// Lists the entities of a service.
    async fn entities(
        &self,
        service: ServiceSid,
        page: PageQuery<EntitySid>,
    ) -> StoreResult<Page<Entity>>;
    /// Sets the label of an entity, or removes it. Returns whether the entity exists.
    async fn label_entity(
        &self,
        service: ServiceSid,
        identity: &Identity,
        label: Option<&AccountLabel>,
        at: Instant,
    ) -> StoreResult<bool>;
    /// Deletes an entity. Returns whether it existed. Everything below it is unreachable at once, and its identity can be
    /// used again at once.
    async fn delete_entity(
        &self,
        service: ServiceSid,
        identity: &Identity,
        at: Instant,
    ) -> StoreResult<bool>;
}
