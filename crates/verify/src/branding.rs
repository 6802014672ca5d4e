//! How a service presents itself: the application's changes, and the logo that devices load.

use countersign_domain::branding::{Logo, LogoHash};
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::text::ServiceLabel;
use countersign_store::seam::LogoChange;

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
    /// [`VerifyError::NotFound`]; [`VerifyError::Conflict`].
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
