//! How a service presents itself: the application's changes, and the logo that devices load.

use countersign_domain::branding::{Logo, LogoHash};
use countersign_domain::entity::Entity;
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::text::{AccountLabel, Identity, ServiceLabel};
use countersign_domain::usage::Usage;
use countersign_store::seam::LogoChange;

use crate::caller::Caller;
use crate::error::{VerifyError, VerifyResult};
use crate::verify::Verify;

/// A change of what a service presents. The outer `None` means unchanged, the inner one nothing.
#[derive(Debug, Clone, Default)]
pub struct BrandingChange {
    /// The name that devices show.
    pub label: Option<Option<ServiceLabel>>,
    /// The logo.
    pub logo: Option<Option<Logo>>,
}

impl Verify {
    /// Changes what a service presents. Its devices show it with the next question.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`]; [`VerifyError::Conflict`]; those of the quotas.
    pub async fn brand_service(
        &self,
        account: AccountSid,
        sid: ServiceSid,
        change: BrandingChange,
    ) -> VerifyResult<Service> {
        let BrandingChange { label, logo } = change;
        self.change_service::<VerifyError>(account, sid, |settings| {
            if let Some(label) = &label {
                settings.branding.label.clone_from(label);
            }
            Ok(match &logo {
                None => LogoChange::Keep,
                Some(logo) => {
                    settings.branding.logo = logo.as_ref().map(Logo::name);
                    LogoChange::Replace(logo.clone().map(Logo::into_bytes))
                }
            })
        })
        .await
    }

    /// Sets what devices show of an entity in place of its identity, or removes it. They show it with the next question.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`]; those of the quotas.
    pub async fn label_entity(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        label: Option<AccountLabel>,
    ) -> VerifyResult<Entity> {
        let was = self.entity(account, service, identity).await?;
        let change = Usage::of_label(label.as_ref()) + -Usage::of_label(was.label.as_ref());
        let reservation = self.quotas.reserve(account, change, &[], self.now())?;
        let updated_at = self.later_than(was.updated_at);
        if !self.store.label_entity(service, identity, label.as_ref(), updated_at).await? {
            return Err(VerifyError::NotFound);
        }
        reservation.keep();
        Ok(Entity { label, updated_at, ..was })
    }

    /// The label of the entity whose device asks, or will be enrolled by the token that asks. An application has none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn account_label(&self, caller: &Caller) -> VerifyResult<Option<AccountLabel>> {
        let (service, identity) = match caller {
            Caller::Application(_) => return Ok(None),
            Caller::Device(factor) => (factor.owner.service, &factor.owner.identity),
            Caller::Enrolling(token) => {
                let stored = self.store.access_token(token.service, token.sid).await?;
                if let Some(label) = stored.and_then(|stored| stored.account_label) {
                    return Ok(Some(label));
                }
                (token.service, &token.identity)
            }
        };
        Ok(self.store.entity(service, identity).await?.and_then(|entity| entity.label))
    }

    /// Returns a service's logo. Everybody may load it who knows its hash, and the database is asked for no other one.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without that logo; the database failed.
    pub async fn logo(&self, sid: ServiceSid, hash: LogoHash) -> VerifyResult<Logo> {
        let service = self.services.get(sid, self.monotonic(), self.store.service(sid)).await?;
        let known = service.and_then(|service| service.settings.branding.logo);
        if known.is_none_or(|known| known.hash != hash) {
            return Err(VerifyError::NotFound);
        }
        let bytes = self.store.service_logo(sid).await?;
        let logo = bytes.and_then(|bytes| Logo::of(bytes).ok());
        logo.filter(|logo| logo.name().hash == hash).ok_or(VerifyError::NotFound)
    }
}
