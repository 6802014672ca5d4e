//! Services.

use async_trait::async_trait;
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::time::Instant;

use super::writes::{Inserted, Updated};
use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// Services.
#[async_trait]
pub trait Services {
    /// Stores a new service; [`Inserted::NoParent`] without its account.
    async fn create_service(&self, service: &Service) -> StoreResult<Inserted>;
    /// Reads a service.
    async fn service(&self, sid: ServiceSid) -> StoreResult<Option<Service>>;
    /// Lists the services of an account.
    async fn services(
        &self,
        account: AccountSid,
        page: PageQuery<ServiceSid>,
    ) -> StoreResult<Page<Service>>;
    /// Replaces a service's settings, only if its `updated_at` is still `was`.
    async fn update_service(&self, service: &Service, was: Instant) -> StoreResult<Updated>;
    /// Deletes a service. Returns whether it existed. Everything below it is unreachable at once;
    /// `Upkeep::clean` removes it later.
    async fn delete_service(&self, sid: ServiceSid, at: Instant) -> StoreResult<bool>;
}
