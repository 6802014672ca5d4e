//! Integrations of a service, and what the doors ask of them.

use std::sync::Arc;

use countersign_bus::Changed;
use countersign_domain::integration::{
    Integration, IntegrationKey, IntegrationKind, IntegrationSettings,
};
use countersign_domain::secret::{Sealed, Secret};
use countersign_domain::sid::{AccountSid, IntegrationSid, ServiceSid};
use countersign_store::seam::{Inserted, Updated};
use countersign_store::{Page, PageQuery, StoreError};

use crate::audit::Action;
use crate::error::{VerifyError, VerifyResult};
use crate::opened_integration::OpenedIntegration;
use crate::parameter::Parameter;
use crate::security::Event;
use crate::verify::{MAX_TRIES, Verify};

/// Integrations of one kind that are read together.
const MAX_OF_KIND: usize = 10_000;

impl Verify {
    /// Creates an integration. Its secret is returned once, and by [`Verify::rotate_integration_secret`].
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the service; [`VerifyError::TooManyIntegrations`]; [`VerifyError::Parameter`] if it lacks
    /// what its kind needs.
    pub async fn create_integration(
        &self,
        account: AccountSid,
        service: ServiceSid,
        kind: IntegrationKind,
        settings: IntegrationSettings,
    ) -> VerifyResult<OpenedIntegration> {
        self.service(account, service).await?;
        check(kind, &settings)?;
        let now = self.now();
        let sid = IntegrationSid::mint(now, &*self.entropy);
        let secret = kind.draw_secret(&*self.entropy);
        let integration = Integration {
            sid,
            account,
            service,
            kind,
            key: IntegrationKey::draw(&*self.entropy),
            secret: self.seal_integration(sid, &secret),
            settings,
            created_at: now,
            updated_at: now,
        };
        let most = self.settings.limits.integrations_per_service;
        let action = self.action(Event::IntegrationCreated, account, sid);
        match action.store().create_integration(&integration, most).await? {
            Inserted::Done => {
                self.bus.announce(Changed::Integration(sid)).await;
                action.done();
                Ok(OpenedIntegration { integration, secret })
            }
            Inserted::NoParent => Err(VerifyError::NotFound),
            Inserted::NotUnique => Err(VerifyError::Conflict),
            Inserted::TooMany => Err(VerifyError::TooManyIntegrations(most)),
        }
    }

    /// Returns an integration.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn integration(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: IntegrationSid,
    ) -> VerifyResult<Integration> {
        self.service(account, service).await?;
        self.store.integration(service, sid).await?.ok_or(VerifyError::NotFound)
    }

    /// Lists a service's integrations.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the service.
    pub async fn integrations(
        &self,
        account: AccountSid,
        service: ServiceSid,
        page: PageQuery<IntegrationSid>,
    ) -> VerifyResult<Page<Integration>> {
        self.service(account, service).await?;
        Ok(self.store.integrations(service, page).await?)
    }

    /// Changes the settings of an integration by `edit`, which is given its kind and runs again after a concurrent change.
    ///
    /// # Errors
    /// Those of `edit`; [`VerifyError::NotFound`]; [`VerifyError::Parameter`] if it then lacks what its kind needs.
    pub async fn update_integration<E: From<VerifyError>>(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: IntegrationSid,
        edit: impl Fn(IntegrationKind, &mut IntegrationSettings) -> Result<(), E> + Send + Sync,
    ) -> Result<Integration, E> {
        let edit = |integration: &mut Integration| {
            edit(integration.kind, &mut integration.settings)?;
            check(integration.kind, &integration.settings).map_err(E::from)
        };
        let action = self.action(Event::IntegrationUpdated, account, sid);
        self.replace_integration(action, account, service, sid, edit).await
    }

    /// Gives an integration another secret, which is returned once. The old one no longer counts: at once on this node, within ten
    /// seconds on every other.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn rotate_integration_secret(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: IntegrationSid,
    ) -> VerifyResult<OpenedIntegration> {
        let kind = self.integration(account, service, sid).await?.kind;
        let secret = kind.draw_secret(&*self.entropy);
        let sealed = self.seal_integration(sid, &secret);
        let edit = |integration: &mut Integration| {
            integration.secret = sealed.clone();
            Ok::<_, VerifyError>(())
        };
        let action = self.action(Event::IntegrationRotated, account, sid);
        let integration = self.replace_integration(action, account, service, sid, edit).await?;
        Ok(OpenedIntegration { integration, secret })
    }

    async fn replace_integration<E: From<VerifyError>>(
        &self,
        action: Action,
        account: AccountSid,
        service: ServiceSid,
        sid: IntegrationSid,
        edit: impl Fn(&mut Integration) -> Result<(), E> + Send + Sync,
    ) -> Result<Integration, E> {
        for _ in 0..MAX_TRIES {
            let mut integration = self.integration(account, service, sid).await?;
            let was = integration.updated_at;
            edit(&mut integration)?;
            integration.updated_at = self.later_than(was);
            let updated = action.store().update_integration(&integration, was).await;
            match updated.map_err(VerifyError::from)? {
                Updated::Done => {
                    self.bus.announce(Changed::Integration(sid)).await;
                    action.done();
                    return Ok(integration);
                }
                Updated::Stale => {}
                Updated::NotFound => return Err(VerifyError::NotFound.into()),
            }
        }
        Err(VerifyError::Conflict.into())
    }

    /// Deletes an integration. Its client is refused from then on.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn delete_integration(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: IntegrationSid,
    ) -> VerifyResult<()> {
        self.service(account, service).await?;
        let action = self.action(Event::IntegrationDeleted, account, sid);
        let was_there = action.store().delete_integration(service, sid).await?;
        self.bus.announce(Changed::Integration(sid)).await;
        if !was_there {
            return Err(VerifyError::NotFound);
        }
        action.done();
        Ok(())
    }

    /// The integration that a client names by its key, with its secret; `None` if there is none. Cached for at most ten seconds,
    /// and an unknown key for one, so that strangers cause few reads.
    pub(crate) async fn cached_integration(
        &self,
        key: IntegrationKey,
    ) -> Result<Option<Arc<OpenedIntegration>>, StoreError> {
        let read = async {
            let Some(found) = self.store.integration_by_key(key).await? else { return Ok(None) };
            self.open_integration(found).await.map(Some)
        };
        self.integrations.get(key, self.monotonic(), read).await
    }

    /// The integration of this kind that a browser names by its key, with its secret; `None` if there is none that can be used now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn named_integration(
        &self,
        kinds: &[IntegrationKind],
        key: &str,
    ) -> VerifyResult<Option<Arc<OpenedIntegration>>> {
        let Ok(key) = key.parse() else { return Ok(None) };
        let found = self.cached_integration(key).await?;
        match found.filter(|opened| kinds.contains(&opened.integration.kind)) {
            Some(opened) if self.is_integration_usable(&opened).await? => Ok(Some(opened)),
            _ => Ok(None),
        }
    }

    /// The integration, if its service is still there and its account is not suspended.
    async fn usable(
        &self,
        opened: Arc<OpenedIntegration>,
    ) -> VerifyResult<Option<Arc<OpenedIntegration>>> {
        let Integration { account, service, .. } = opened.integration;
        self.refuse_suspended(account).await?;
        match self.service(account, service).await {
            Ok(_) => Ok(Some(opened)),
            Err(VerifyError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the integrations of a kind whose clients name no key, with their secrets: those of all services, at most 10,000, the
    /// oldest first. Cached for at most ten seconds. One whose account is suspended is among them: see
    /// [`Verify::is_integration_usable`].
    ///
    /// # Errors
    /// The database failed, or a secret cannot be opened.
    pub async fn opened_integrations(
        &self,
        kind: IntegrationKind,
    ) -> VerifyResult<Arc<Vec<Arc<OpenedIntegration>>>> {
        let read = async {
            let found = self.store.integrations_of_kind(kind, MAX_OF_KIND).await?;
            let mut opened = Vec::with_capacity(found.len());
            for integration in found {
                opened.push(Arc::new(self.open_integration(integration).await?));
            }
            Ok(Some(opened))
        };
        let found = self.integrations_of_kind.get(kind, self.monotonic(), read).await?;
        Ok(found.unwrap_or_default())
    }

    /// Whether the service of an integration is there and its account is not suspended, as of ten seconds ago at most.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_integration_usable(
        &self,
        opened: &Arc<OpenedIntegration>,
    ) -> VerifyResult<bool> {
        match self.usable(Arc::clone(opened)).await {
            Ok(usable) => Ok(usable.is_some()),
            Err(VerifyError::AccountSuspended) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn open_integration(
        &self,
        integration: Integration,
    ) -> Result<OpenedIntegration, StoreError> {
        let context = seal_context(integration.sid);
        let secret = self.open_stored(&integration.secret, &context).await?;
        Ok(OpenedIntegration { integration, secret })
    }

    fn seal_integration(&self, sid: IntegrationSid, secret: &Secret) -> Sealed {
        self.keys.seal(secret, &seal_context(sid), &*self.entropy)
    }
}

fn check(kind: IntegrationKind, settings: &IntegrationSettings) -> VerifyResult<()> {
    settings
        .check(kind)
        .map_err(|(part, why)| VerifyError::Parameter(Parameter::Integration(part), why))
}

pub(crate) fn seal_context(sid: IntegrationSid) -> String {
    format!("integrations/{sid}/secret")
}
