//! Integrations.

use async_trait::async_trait;
use countersign_domain::integration::{Integration, IntegrationKey, IntegrationKind};
use countersign_domain::sid::{IntegrationSid, ServiceSid};
use countersign_domain::time::Instant;

use super::writes::{Inserted, Updated};
use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// Integrations.
#[async_trait]
pub trait Integrations {
    /// Stores a new integration; [`Inserted::NoParent`] without its service, [`Inserted::TooMany`] if the service has `most`
    /// integrations or more (0: no limit), [`Inserted::NotUnique`] if its SID or its key is taken.
    async fn create_integration(
        &self,
        integration: &Integration,
        most: u32,
    ) -> StoreResult<Inserted>;
    /// Reads an integration of a service.
    async fn integration(
        &self,
        service: ServiceSid,
        sid: IntegrationSid,
    ) -> StoreResult<Option<Integration>>;
    /// Reads the integration that a client names.
    async fn integration_by_key(&self, key: IntegrationKey) -> StoreResult<Option<Integration>>;
    /// Lists the integrations of a service.
    async fn integrations(
        &self,
        service: ServiceSid,
        page: PageQuery<IntegrationSid>,
    ) -> StoreResult<Page<Integration>>;
    /// Reads up to `most` integrations of a kind, of all services, the oldest first.
    async fn integrations_of_kind(
        &self,
        kind: IntegrationKind,
        most: usize,
    ) -> StoreResult<Vec<Integration>>;
    /// Replaces an integration's settings and secret, only if its `updated_at` is still `was`.
    async fn update_integration(
        &self,
        integration: &Integration,
        was: Instant,
    ) -> StoreResult<Updated>;
    /// Removes an integration. Returns whether it existed.
    async fn delete_integration(
        &self,
        service: ServiceSid,
        sid: IntegrationSid,
    ) -> StoreResult<bool>;
}
