//! Push factors, and the lists of factors of both types.

use async_trait::async_trait;
use countersign_domain::factor::{AnyFactor, Factor, FactorChange};
use countersign_domain::sid::{AccessTokenSid, EntitySid, FactorKeySid, FactorSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;

use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// A push factor to store, and the conditions for storing it.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The factor. If its identity has an entity, the SID of that entity replaces `factor.owner.entity`; otherwise the entity
    /// is created with the SID given.
    pub factor: Factor,
    /// The access token that this enrolment uses up.
    pub token: Option<AccessTokenSid>,
    /// The most push factors that an entity may have; 0: no limit.
    pub most_per_entity: u32,
    /// The most factors that may be created for an entity in a day, deleted ones included. The day begins with the first of
    /// them. 0: no limit.
    pub most_per_day: u32,
}

/// The result of an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolled {
    /// The factor is stored, for the entity of this SID.
    Done(EntitySid),
    /// The access token was used before, has expired, or is unknown to the service.
    TokenSpent,
    /// A living factor of the same entity has the same public key.
    KeyTaken,
    /// [`Enrolment::most_per_entity`] is reached.
    TooMany,
    /// [`Enrolment::most_per_day`] is reached.
    TooManyToday,
    /// The service does not exist.
    NoService,
}

/// Push factors. A factor that lapsed unverified ([`Factor::has_lapsed`]) can be found until the cleaner removes it; callers
/// judge that by the clock.
#[async_trait]
pub trait Factors {
    /// Stores a new factor, creates its entity if it has none, and uses up the access token: all three, or nothing.
    async fn enrol_factor(&self, enrolment: &Enrolment) -> StoreResult<Enrolled>;
    /// Reads a factor by its path.
    async fn factor(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> StoreResult<Option<Factor>>;
    /// Reads the factor whose key has this id.
    async fn factor_by_key(&self, key: FactorKeySid) -> StoreResult<Option<Factor>>;
    /// Returns those of these push factors that are not reached by the device stream: they, their entity or their service were
    /// deleted, or they have another address.
    async fn not_streamed(&self, factors: &[(EntitySid, FactorSid)])
    -> StoreResult<Vec<FactorSid>>;
    /// Lists the factors of an entity, of both types.
    async fn factors(
        &self,
        entity: EntitySid,
        page: PageQuery<FactorSid>,
    ) -> StoreResult<Page<AnyFactor>>;
    /// Changes a factor and returns the changed factor. A new address makes its parked deliveries due at `at`, so that they go
    /// to the new address.
    async fn update_factor(
        &self,
        entity: EntitySid,
        sid: FactorSid,
        change: &FactorChange,
        at: Instant,
    ) -> StoreResult<Option<Factor>>;
    /// Deletes a factor of either type and cancels its parked deliveries. Returns whether it existed.
    async fn delete_factor(
        &self,
        entity: EntitySid,
        sid: FactorSid,
        at: Instant,
    ) -> StoreResult<bool>;
}
