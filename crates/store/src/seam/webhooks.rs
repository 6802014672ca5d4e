//! Webhooks.

use async_trait::async_trait;
use countersign_domain::sid::{ServiceSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::Webhook;

use super::writes::{Inserted, Updated};
use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// Webhooks.
#[async_trait]
pub trait Webhooks {
    /// Stores a new webhook; [`Inserted::NoParent`] without its service, [`Inserted::TooMany`] if the service has `most`
    /// webhooks or more (0: no limit).
    async fn create_webhook(&self, webhook: &Webhook, most: u32) -> StoreResult<Inserted>;
    /// Reads a webhook of a service.
    async fn webhook(&self, service: ServiceSid, sid: WebhookSid) -> StoreResult<Option<Webhook>>;
    /// Lists the webhooks of a service.
    async fn webhooks(
        &self,
        service: ServiceSid,
        page: PageQuery<WebhookSid>,
    ) -> StoreResult<Page<Webhook>>;
    /// Replaces a webhook, only if its `updated_at` is still `was`.
    async fn update_webhook(&self, webhook: &Webhook, was: Instant) -> StoreResult<Updated>;
    /// Removes a webhook. Returns whether it existed.
    async fn delete_webhook(&self, service: ServiceSid, sid: WebhookSid) -> StoreResult<bool>;
}
