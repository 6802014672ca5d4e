//! Services.

use std::sync::Arc;

use countersign_bus::Changed;
use countersign_domain::credential::CredentialType;
use countersign_domain::invalid::Invalid;
use countersign_domain::service::{PushSettings, Service, ServiceSettings};
use countersign_domain::sid::{AccountSid, CredentialSid, ServiceSid};
use countersign_domain::text::ServiceName;
use countersign_store::seam::{Inserted, Updated};
use countersign_store::{Page, PageQuery, StoreError};

use crate::accounts::TRIES;
use crate::security::{self, Event};
use crate::{Answer, Caller, Verify, VerifyError, quota};

/// How a service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is there, and its account too.
    Open,
    /// It is there, and its account is suspended.
    Suspended,
    /// It, or its account, is gone.
    Gone,
}

impl Verify {
    /// Makes a service.
    ///
    /// # Errors
    /// [`VerifyError::ServiceParameter`] for a push credential that the account does not have.
    pub async fn create_service(
        &self,
        account: AccountSid,
        settings: ServiceSettings,
    ) -> Answer<Service> {
        let none = PushSettings::default();
        self.check_push_credentials(account, &none, &settings.push).await?;
        let now = self.now();
        let sid = ServiceSid::mint(now, &*self.entropy);
        let service = Service { sid, account, settings, created_at: now, updated_at: now };
        let most = self.options.limits.services_per_account;
        let _one = self.making.lock().await;
        if let Some(page) = quota(most)
            && self.store.services(account, page).await?.items.len() >= most as usize
        {
            return Err(VerifyError::TooManyServices(most));
        }
        match self.store.create_service(&service).await? {
            Inserted::Done => {
                security::done(Event::ServiceCreated, account, sid);
                Ok(service)
            }
            Inserted::NoParent => Err(VerifyError::NotFound),
            Inserted::NotUnique | Inserted::TooMany => Err(VerifyError::Conflict),
        }
    }

    /// The service, if it is the account's. From memory, at most ten seconds old.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn service(&self, account: AccountSid, sid: ServiceSid) -> Answer<Arc<Service>> {
        let service = self.services.get(sid, self.monotonic(), self.store.service(sid)).await?;
        service.filter(|service| service.account == account).ok_or(VerifyError::NotFound)
    }

    /// The name of a service, as its devices show it: for the application, for a device of the service, and for a device that
    /// holds an access token of it. From memory, at most ten seconds old.
    ///
    /// # Errors
    /// [`VerifyError::Forbidden`] for a device of another service; [`VerifyError::NotFound`].
    pub async fn service_name(&self, caller: &Caller, sid: ServiceSid) -> Answer<ServiceName> {
        let own = match caller {
            Caller::Application(_) => sid,
            Caller::Enrolling(token) => token.service,
            Caller::Device(factor) => factor.owner.service,
        };
        if own != sid {
            return Err(VerifyError::Forbidden);
        }
        let service = self.service(caller.account(), sid).await?;
        Ok(service.settings.friendly_name.clone())
    }

    /// How a service and its account stand: what its devices' streams hang on.
    ///
    /// # Errors
    /// The database failed.
    pub async fn standing(
        &self,
        account: AccountSid,
        service: ServiceSid,
    ) -> Result<Standing, StoreError> {
        let Some(found) = self.cached_account(account).await? else { return Ok(Standing::Gone) };
        match self.service(account, service).await {
            Ok(_) if found.suspended_at.is_some() => Ok(Standing::Suspended),
            Ok(_) => Ok(Standing::Open),
            Err(VerifyError::Store(error)) => Err(error),
            Err(_) => Ok(Standing::Gone),
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
    ) -> Answer<Page<Service>> {
        Ok(self.store.services(account, page).await?)
    }

    /// Changes a service's settings by `edit`, which runs again if somebody else was faster.
    ///
    /// # Errors
    /// Those of `edit`; [`VerifyError::NotFound`]; a push credential that the account does not have.
    pub async fn update_service<E: From<VerifyError>>(
        &self,
        account: AccountSid,
        sid: ServiceSid,
        edit: impl Fn(&mut ServiceSettings) -> Result<(), E> + Send + Sync,
    ) -> Result<Service, E> {
        for _ in 0..TRIES {
            let service = self.store.service(sid).await.map_err(VerifyError::from)?;
            let mut service = service
                .filter(|service| service.account == account)
                .ok_or(VerifyError::NotFound)?;
            let was = service.updated_at;
            let old = service.settings.push.clone();
            edit(&mut service.settings)?;
            self.check_push_credentials(account, &old, &service.settings.push).await?;
            service.updated_at = self.later_than(was);
            match self.store.update_service(&service, was).await.map_err(VerifyError::from)? {
                Updated::Done => {
                    self.bus.announce(Changed::Service(sid)).await;
                    security::done(Event::ServiceUpdated, account, sid);
                    return Ok(service);
                }
                Updated::Stale => {}
                Updated::Gone => return Err(VerifyError::NotFound.into()),
            }
        }
        Err(VerifyError::Conflict.into())
    }

    /// The public half of a service's VAPID key, which a page hands to its browser to subscribe (RFC 8292).
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn web_push_key(&self, account: AccountSid, sid: ServiceSid) -> Answer<String> {
        self.service(account, sid).await?;
        Ok(self.keys.vapid(sid).public_key)
    }

    /// Deletes a service and, in time, everything below it, which cannot be reached from now on.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn delete_service(&self, account: AccountSid, sid: ServiceSid) -> Answer<()> {
        self.service(account, sid).await?;
        let was_there = self.store.delete_service(sid, self.now()).await?;
        self.bus.announce(Changed::Service(sid)).await;
        if !was_there {
            return Err(VerifyError::NotFound);
        }
        security::done(Event::ServiceDeleted, account, sid);
        Ok(())
    }

    /// Judges the credentials that are new. One that was deleted since it was named may stay: pushes with it fail, and
    /// all else about the service can still be changed.
    async fn check_push_credentials(
        &self,
        account: AccountSid,
        old: &PushSettings,
        new: &PushSettings,
    ) -> Answer<()> {
        let fresh = |new: Option<CredentialSid>, old| new.filter(|_| new != old);
        let apn = fresh(new.apn_credential_sid, old.apn_credential_sid);
        let fcm = fresh(new.fcm_credential_sid, old.fcm_credential_sid);
        let wanted = [
            ("Push.ApnCredentialSid", apn, CredentialType::Apn),
            ("Push.FcmCredentialSid", fcm, CredentialType::Fcm),
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
    ) -> Answer<bool> {
        let credential = self.store.credential(sid).await?;
        Ok(credential.is_some_and(|found| found.account == account && found.kind == kind))
    }
}
