//! Services.

use async_trait::async_trait;
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::time::Instant;

use super::writes::{Inserted, Updated};
use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// The change of a service's logo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogoChange {
    /// It stays as it is.
    Keep,
    /// These bytes replace it; `None`: it is removed.
    Replace(Option<Vec<u8>>),
}

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
    /// Replaces a service's settings, and its logo as `logo` says, only if its `updated_at` is still `was`.
    async fn update_service(
        &self,
        service: &Service,
        logo: LogoChange,
        was: Instant,
    ) -> StoreResult<Updated>;
    /// Reads the bytes of a service's logo.
    async fn service_logo(&self, sid: ServiceSid) -> StoreResult<Option<Vec<u8>>>;
    /// Deletes a service. Returns whether it existed. Everything below it is unreachable at once;
    /// `Upkeep::clean` removes it later.
    async fn delete_service(&self, sid: ServiceSid, at: Instant) -> StoreResult<bool>;
}
