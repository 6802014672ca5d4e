//! Services and their settings.

use std::sync::Arc;

use countersign_bus::Changed;
use countersign_domain::credential::CredentialType;
use countersign_domain::invalid::Invalid;
use countersign_domain::limits::Limits;
use countersign_domain::service::{PushSettings, Service, ServiceSettings};
use countersign_domain::service_form::ServiceParameter;
use countersign_domain::sid::{AccountSid, CredentialSid, ServiceSid};
use countersign_domain::usage::Usage;
use countersign_store::seam::{Inserted, LogoChange, Updated};
use countersign_store::{Page, PageQuery, StoreError};

use crate::caller::Caller;
use crate::error::{VerifyError, VerifyResult};
use crate::keys::VapidKey;
use crate::security::Event;
use crate::verify::{MAX_TRIES, Verify, page_up_to};

/// Whether a service is available to its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceStatus {
    /// The service exists and its account is not suspended.
    Active,
    /// The service exists and its account is suspended.
    Suspended,
    /// The service, or its account, was deleted.
    Deleted,
}

impl Verify {
    /// Creates a service.
    ///
    /// # Errors
    /// [`VerifyError::ServiceParameter`] for a push credential that the account does not have.
    pub async fn create_service(
        &self,
        account: AccountSid,
        settings: ServiceSettings,
    ) -> VerifyResult<Service> {
        let none = PushSettings::default();
        self.check_push_credentials(account, &none, &settings.push).await?;
        let now = self.now();
        let sid = ServiceSid::mint(now, &*self.entropy);
        let service = Service { sid, account, settings, created_at: now, updated_at: now };
        let most = self.settings.limits.services_per_account;
        let _lock = self.creating.lock().await;
        if let Some(page) = page_up_to(most)
            && self.store.services(account, page).await?.items.len() >= most as usize
        {
            return Err(VerifyError::TooManyServices(most));
        }
        let action = self.action(Event::ServiceCreated, account, sid);
        match action.store().create_service(&service).await? {
            Inserted::Done => {
                action.done();
                Ok(service)
            }
            Inserted::NoParent => Err(VerifyError::NotFound),
            Inserted::NotUnique | Inserted::TooMany => Err(VerifyError::Conflict),
        }
    }

    /// The limits of this installation, some of which a service may set for itself.
    pub const fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// Returns a service of an account. Cached for at most ten seconds.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn service(
        &self,
        account: AccountSid,
        sid: ServiceSid,
    ) -> VerifyResult<Arc<Service>> {
        let service = self.services.get(sid, self.monotonic(), self.store.service(sid)).await?;
        service.filter(|service| service.account == account).ok_or(VerifyError::NotFound)
    }

    /// Returns a service as its devices see it: for the application, for a device of the service, and for a device
    /// that holds an access token of it. Cached for at most ten seconds.
    ///
    /// # Errors
    /// [`VerifyError::Forbidden`] for a device of another service; [`VerifyError::NotFound`].
    pub async fn service_of(&self, caller: &Caller, sid: ServiceSid) -> VerifyResult<Arc<Service>> {
        let own = match caller {
            Caller::Application(_) => sid,
            Caller::Enrolling(token) => token.service,
            Caller::Device(factor) => factor.owner.service,
        };
        if own != sid {
            return Err(VerifyError::Forbidden);
        }
        self.service(caller.account(), sid).await
    }

    /// Returns the status of a service. Its devices' streams end unless it is active.
    ///
    /// # Errors
    /// The database failed.
    pub async fn service_status(
        &self,
        account: AccountSid,
        service: ServiceSid,
    ) -> Result<ServiceStatus, StoreError> {
        let Some(found) = self.cached_account(account).await? else {
            return Ok(ServiceStatus::Deleted);
        };
        match self.service(account, service).await {
            Ok(_) if found.suspended_at.is_some() => Ok(ServiceStatus::Suspended),
            Ok(_) => Ok(ServiceStatus::Active),
            Err(VerifyError::Store(error)) => Err(error),
            Err(_) => Ok(ServiceStatus::Deleted),
        }
    }

    /// Lists an account's services.
    ///
    /// # Errors
    /// The database failed.
    pub async fn services(
        &self,
        account: AccountSid,
        page: PageQuery<ServiceSid>,
    ) -> VerifyResult<Page<Service>> {
        Ok(self.store.services(account, page).await?)
    }

    /// Changes a service's settings by `edit`, which runs again after a concurrent change.
    ///
    /// # Errors
    /// Those of `edit`; [`VerifyError::NotFound`]; [`VerifyError::ServiceParameter`] for a push credential that the account does not
    /// have.
    pub async fn update_service<E: From<VerifyError>>(
        &self,
        account: AccountSid,
        sid: ServiceSid,
        edit: impl Fn(&mut ServiceSettings) -> Result<(), E> + Send + Sync,
    ) -> Result<Service, E> {
        self.change_service(account, sid, |settings| edit(settings).map(|()| LogoChange::Keep))
            .await
    }

    /// The same, where `edit` also says what becomes of the logo, for which there must be room.
    pub(crate) async fn change_service<E: From<VerifyError>>(
        &self,
        account: AccountSid,
        sid: ServiceSid,
        edit: impl Fn(&mut ServiceSettings) -> Result<LogoChange, E> + Send + Sync,
    ) -> Result<Service, E> {
        let action = self.action(Event::ServiceUpdated, account, sid);
        for _ in 0..MAX_TRIES {
            let service = self.store.service(sid).await.map_err(VerifyError::from)?;
            let mut service = service
                .filter(|service| service.account == account)
                .ok_or(VerifyError::NotFound)?;
            let was = service.updated_at;
            let old = service.settings.clone();
            let logo = edit(&mut service.settings)?;
            let new = &service.settings;
            self.check_push_credentials(account, &old.push, &new.push).await?;
            let change = Usage::of_logo(new.branding.logo) + -Usage::of_logo(old.branding.logo);
            let reservation = self.quotas.reserve(account, change, &[], self.now())?;
            service.updated_at = self.later_than(was);
            let updated = action.store().update_service(&service, logo, was).await;
            match updated.map_err(VerifyError::from)? {
                Updated::Done => {
                    reservation.keep();
                    self.bus.announce(Changed::Service(sid)).await;
                    action.done();
                    return Ok(service);
                }
                Updated::Stale => {}
                Updated::NotFound => return Err(VerifyError::NotFound.into()),
            }
        }
        Err(VerifyError::Conflict.into())
    }

    /// The key by which a service identifies itself to browsers' push services, for the provider that pushes. Pages get its
    /// public half, see [`Verify::web_push_key`].
    ///
    /// # Errors
    /// [`VerifyError::AccountSuspended`]; the database failed.
    pub async fn vapid(&self, account: AccountSid, service: ServiceSid) -> VerifyResult<VapidKey> {
        self.refuse_suspended(account).await?;
        Ok(self.keys.vapid(service))
    }

    /// Returns the public half of a service's VAPID key, by which a page subscribes to pushes (RFC 8292).
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn web_push_key(&self, account: AccountSid, sid: ServiceSid) -> VerifyResult<String> {
        self.service(account, sid).await?;
        Ok(self.keys.vapid(sid).public_key)
    }

    /// Deletes a service. Everything below it cannot be reached from now on, and is removed later.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn delete_service(&self, account: AccountSid, sid: ServiceSid) -> VerifyResult<()> {
        let service = self.service(account, sid).await?;
        let action = self.action(Event::ServiceDeleted, account, sid);
        let was_there = action.store().delete_service(sid, self.now()).await?;
        self.bus.announce(Changed::Service(sid)).await;
        if !was_there {
            return Err(VerifyError::NotFound);
        }
        self.quotas.record(account, -Usage::of_logo(service.settings.branding.logo));
        action.done();
        Ok(())
    }

    /// Checks the credentials that an update names newly. One that was deleted after it was set may stay: pushes with it fail, and
    /// the other settings can still be changed.
    async fn check_push_credentials(
        &self,
        account: AccountSid,
        old: &PushSettings,
        new: &PushSettings,
    ) -> VerifyResult<()> {
        let fresh = |new: Option<CredentialSid>, old| new.filter(|_| new != old);
        let apn = fresh(new.apn_credential_sid, old.apn_credential_sid);
        let fcm = fresh(new.fcm_credential_sid, old.fcm_credential_sid);
        let wanted = [
            (ServiceParameter::ApnCredential, apn, CredentialType::Apn),
            (ServiceParameter::FcmCredential, fcm, CredentialType::Fcm),
        ];
        for (parameter, sid, kind) in wanted {
            if let Some(sid) = sid
                && !self.has_credential(account, sid, kind).await?
            {
                let reason = Invalid::because("must be a credential of this account and platform");
                return Err(VerifyError::ServiceParameter(parameter, reason));
            }
        }
        Ok(())
    }

    async fn has_credential(
        &self,
        account: AccountSid,
        sid: CredentialSid,
        kind: CredentialType,
    ) -> VerifyResult<bool> {
        let credential = self.store.credential(sid).await?;
        Ok(credential.is_some_and(|found| found.account == account && found.kind == kind))
    }
}
