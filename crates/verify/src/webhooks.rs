//! Webhooks of a service.

use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccountSid, ServiceSid, WebhookSid};
use countersign_domain::text::FriendlyName;
use countersign_domain::webhook::{EventType, Webhook, WebhookUrl, WebhookVersion};
use countersign_domain::webhook_call::FailingWebhook;
use countersign_store::seam::{Inserted, Updated};
use countersign_store::{Page, PageQuery};

use crate::error::{VerifyError, VerifyResult};
use crate::security::Event;
use crate::verify::{MAX_TRIES, Verify};

/// A webhook that an application asks for.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// A name for the operator's use.
    pub friendly_name: FriendlyName,
    /// The events that it subscribes to; not empty.
    pub event_types: Vec<EventType>,
    /// The URL that is called.
    pub url: WebhookUrl,
    /// Whether it is called.
    pub enabled: bool,
    /// The version of the body that it receives.
    pub version: WebhookVersion,
}

impl Verify {
    /// Creates a webhook.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the service; [`VerifyError::TooManyWebhooks`].
    pub async fn create_webhook(
        &self,
        account: AccountSid,
        service: ServiceSid,
        new: NewWebhook,
    ) -> VerifyResult<Webhook> {
        self.service(account, service).await?;
        let now = self.now();
        let webhook = Webhook {
            sid: WebhookSid::mint(now, &*self.entropy),
            account,
            service,
            friendly_name: new.friendly_name,
            event_types: new.event_types,
            url: new.url,
            enabled: new.enabled,
            version: new.version,
            created_at: now,
            updated_at: now,
        };
        let most = self.settings.limits.webhooks_per_service;
        let action = self.action(Event::WebhookCreated, account, webhook.sid);
        match action.store().create_webhook(&webhook, most).await? {
            Inserted::Done => {
                action.done();
                Ok(webhook)
            }
            Inserted::NoParent => Err(VerifyError::NotFound),
            Inserted::NotUnique => Err(VerifyError::Conflict),
            Inserted::TooMany => Err(VerifyError::TooManyWebhooks(most)),
        }
    }

    /// Returns a webhook.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn webhook(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: WebhookSid,
    ) -> VerifyResult<Webhook> {
        self.service(account, service).await?;
        self.store.webhook(service, sid).await?.ok_or(VerifyError::NotFound)
    }

    /// Returns the secret of a webhook, which signs its calls in the header `Countersign-Signature`.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn webhook_secret(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: WebhookSid,
    ) -> VerifyResult<Secret> {
        Ok(self.keys.webhook_secret(self.webhook(account, service, sid).await?.sid))
    }

    /// Returns the secrets that sign a webhook's calls: the account's primary token, and the webhook's own secret.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the account; [`VerifyError::AccountSuspended`]; the token cannot be opened.
    pub async fn webhook_keys(
        &self,
        account: AccountSid,
        sid: WebhookSid,
    ) -> VerifyResult<(Secret, Secret)> {
        let account = self.store.account(account).await?.ok_or(VerifyError::NotFound)?;
        if account.suspended_at.is_some() {
            return Err(VerifyError::AccountSuspended);
        }
        let token = self.primary_token(&account).await?;
        Ok((token, self.keys.webhook_secret(sid)))
    }

    /// Lists the webhooks whose calls fail.
    ///
    /// # Errors
    /// The database failed.
    pub async fn failing_webhooks(&self) -> VerifyResult<Vec<FailingWebhook>> {
        Ok(self.store.failing_webhooks().await?)
    }

    /// Lists a service's webhooks.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the service.
    pub async fn webhooks(
        &self,
        account: AccountSid,
        service: ServiceSid,
        page: PageQuery<WebhookSid>,
    ) -> VerifyResult<Page<Webhook>> {
        self.service(account, service).await?;
        Ok(self.store.webhooks(service, page).await?)
    }

    /// Changes a webhook by `edit`, which runs again after a concurrent change.
    ///
    /// # Errors
    /// Those of `edit`; [`VerifyError::NotFound`].
    pub async fn update_webhook<E: From<VerifyError>>(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: WebhookSid,
        edit: impl Fn(&mut Webhook) -> Result<(), E> + Send + Sync,
    ) -> Result<Webhook, E> {
        let action = self.action(Event::WebhookUpdated, account, sid);
        for _ in 0..MAX_TRIES {
            let mut webhook = self.webhook(account, service, sid).await?;
            let was = webhook.updated_at;
            edit(&mut webhook)?;
            webhook.updated_at = self.later_than(was);
            let updated = action.store().update_webhook(&webhook, was).await;
            match updated.map_err(VerifyError::from)? {
                Updated::Done => {
                    action.done();
                    return Ok(webhook);
                }
                Updated::Stale => {}
                Updated::NotFound => return Err(VerifyError::NotFound.into()),
            }
        }
        Err(VerifyError::Conflict.into())
    }

    /// Deletes a webhook.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn delete_webhook(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: WebhookSid,
    ) -> VerifyResult<()> {
        self.service(account, service).await?;
        let action = self.action(Event::WebhookDeleted, account, sid);
        if !action.store().delete_webhook(service, sid).await? {
            return Err(VerifyError::NotFound);
        }
        action.done();
        Ok(())
    }
}
