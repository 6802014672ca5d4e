//! Push factors: the devices of an entity.

use countersign_bus::Changed;
use countersign_domain::address::{Address, Platform};
use countersign_domain::factor::{AnyFactor, Factor, FactorChange, FactorStatus, FactorType};
use countersign_domain::invalid::Invalid;
use countersign_domain::key::DeviceKey;
use countersign_domain::sid::{AccountSid, EntitySid, FactorKeySid, FactorSid, ServiceSid};
use countersign_domain::text::{AppId, FriendlyName, Identity, SdkVersion, StringMap};
use countersign_domain::usage::Usage;
use countersign_store::seam::{Enrolled, Enrolment};
use countersign_store::{Page, PageQuery, StoreError};

use crate::access_tokens::SPENT_TOKEN;
use crate::caller::Caller;
use crate::error::{VerifyError, VerifyResult};
use crate::parameter::Parameter;
use crate::security::{self, Event};
use crate::verify::Verify;

/// A push factor that a device, or its application, enrols.
#[derive(Debug, Clone)]
pub struct NewFactor {
    /// A name of the device, which the person sees.
    pub friendly_name: FriendlyName,
    /// The device's public key.
    pub key: DeviceKey,
    /// The app on the device.
    pub app_id: AppId,
    /// The version of the app's SDK.
    pub sdk_version: SdkVersion,
    /// Where pushes are sent.
    pub address: Address,
    /// Whether the device asks its person for the number of a challenge.
    pub takes_numbers: bool,
    /// Data for the application's use.
    pub metadata: Option<StringMap>,
}

/// An update of a factor; `None` means unchanged.
#[derive(Debug, Clone, Default)]
pub struct FactorUpdate {
    /// A DER signature over the factor's SID, which proves possession of the key.
    pub proof: Option<Vec<u8>>,
    /// A new name.
    pub friendly_name: Option<FriendlyName>,
    /// A new platform.
    pub platform: Option<Platform>,
    /// A new push token.
    pub token: Option<String>,
    /// A new SDK.
    pub sdk_version: Option<SdkVersion>,
    /// A new app id.
    pub app_id: Option<AppId>,
    /// Whether the device now asks its person for numbers.
    pub takes_numbers: Option<bool>,
}

impl Verify {
    /// Enrols a push factor for an application, or for a device with an access token, which is spent by it. Creates the entity
    /// if it does not exist.
    ///
    /// # Errors
    /// [`VerifyError::TokenNotForThis`], [`VerifyError::FactorExists`], [`VerifyError::TooManyFactors`],
    /// [`VerifyError::TooManyFactorsToday`], [`VerifyError::TooManyEntities`], [`VerifyError::NotFound`] without the
    /// service, [`VerifyError::Forbidden`] for a device that is enrolled already.
    pub async fn enrol(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        new: NewFactor,
    ) -> VerifyResult<Factor> {
        let (account, token) = match caller {
            Caller::Application(account) => (*account, None),
            Caller::Enrolling(token) => {
                let allowed = self.allows_enrolment(token, service, identity);
                allowed.map_err(|why| self.refuse_token(token, why))?;
                (token.account, Some(token))
            }
            Caller::Device(_) => return Err(VerifyError::Forbidden),
        };
        self.service(account, service).await?;
        let is_new = self.store.entity(service, identity).await?.is_none();
        if is_new && !self.rates.allow_entity(account) {
            return Err(VerifyError::TooManyEntities);
        }
        let now = self.time().await?;
        let mut factor = Factor {
            sid: FactorSid::mint(FactorType::Push, now, &*self.entropy),
            owner: self.new_owner(account, service, identity.clone()),
            friendly_name: new.friendly_name,
            status: FactorStatus::Unverified,
            key: new.key,
            key_sid: FactorKeySid::mint(now, &*self.entropy),
            app_id: new.app_id,
            sdk_version: new.sdk_version,
            address: new.address,
            takes_numbers: new.takes_numbers,
            metadata: new.metadata,
            created_at: now,
            updated_at: now,
        };
        let limits = &self.settings.limits;
        let enrolment = Enrolment {
            factor: factor.clone(),
            token: token.map(|token| token.sid),
            most_per_entity: limits.push_factors_per_entity,
            most_per_day: limits.factors_per_entity_per_day,
        };
        let stored =
            Usage::of_factor(&factor) + if is_new { Usage::ENTITY } else { Usage::default() };
        let records = [*factor.owner.entity.as_bytes(), *factor.sid.as_bytes()];
        let reservation = self.quotas.reserve(account, stored, &records, now)?;
        match self.store.enrol_factor(&enrolment).await? {
            Enrolled::Done(entity) => {
                reservation.keep();
                factor.owner.entity = entity;
                security::done(Event::FactorCreated, account, factor.sid);
                self.handover.happened();
                Ok(factor)
            }
            Enrolled::TokenSpent => Err(token.map_or(VerifyError::NotFound, |token| {
                self.spent_tokens.note(token.sid, self.monotonic());
                self.refuse_token(token, SPENT_TOKEN)
            })),
            Enrolled::KeyTaken => Err(VerifyError::FactorExists),
            Enrolled::TooMany => {
                let most = self.settings.limits.push_factors_per_entity;
                Err(VerifyError::TooManyFactors(FactorType::Push, most))
            }
            Enrolled::TooManyToday => Err(VerifyError::TooManyFactorsToday),
            Enrolled::NoService => Err(VerifyError::NotFound),
        }
    }

    /// Returns those of the factors that are no longer reached by the device stream.
    ///
    /// # Errors
    /// The database failed.
    pub async fn not_streamed(
        &self,
        factors: &[(EntitySid, FactorSid)],
    ) -> Result<Vec<FactorSid>, StoreError> {
        self.store.not_streamed(factors).await
    }

    /// Returns a factor.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`], or [`VerifyError::Forbidden`] for a device that asks for another factor.
    pub async fn factor(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> VerifyResult<Factor> {
        self.reach_factor(caller, service, identity, sid).await
    }

    /// Lists an entity's factors.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the entity.
    pub async fn factors(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        page: PageQuery<FactorSid>,
    ) -> VerifyResult<Page<AnyFactor>> {
        let entity = self.entity(account, service, identity).await?;
        Ok(self.store.factors(entity.owner.entity, page).await?)
    }

    /// Changes a factor, and verifies it if a proof is given.
    ///
    /// # Errors
    /// Those of [`Verify::factor`]; [`VerifyError::FactorNotProved`]; [`VerifyError::Parameter`] for a push token that does not fit
    /// the platform.
    pub async fn update_factor(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
        update: FactorUpdate,
    ) -> VerifyResult<Factor> {
        let factor = self.reach_factor(caller, service, identity, sid).await?;
        if let Some(proof) = &update.proof
            && !factor.is_proved_by(proof)
        {
            let why = "is not a signature over the factor's SID with the key of the factor";
            let account = factor.owner.account;
            security::refused(Event::FactorVerified, account, Some(&factor.sid), &why);
            return Err(VerifyError::FactorNotProved(Invalid::because(why)));
        }
        let address =
            self.new_address(&factor.address, update.platform, update.token.as_deref())?;
        let leaves_stream = factor.address.platform().may_stream()
            && address.as_ref().is_some_and(|new| !new.platform().may_stream());
        let change = FactorChange {
            verified: update.proof.is_some(),
            friendly_name: update.friendly_name,
            address,
            sdk_version: update.sdk_version,
            app_id: update.app_id,
            takes_numbers: update.takes_numbers,
        };
        if change == FactorChange::default() {
            return Ok(factor);
        }
        let moves = change.address.is_some();
        let now = self.later_than(factor.updated_at);
        let was = Usage::of_factor(&factor);
        let (action, entity) = (self.unnamed_action(), factor.owner.entity);
        let factor = action.store().update_factor(entity, sid, &change, now).await?;
        let factor = factor.ok_or(VerifyError::NotFound)?;
        action.done();
        self.quotas.record(factor.owner.account, Usage::of_factor(&factor) + -was);
        if change.verified {
            security::done(Event::FactorVerified, factor.owner.account, sid);
            self.handover.happened();
        }
        if leaves_stream {
            self.bus.dismiss(sid).await;
        }
        if moves {
            // Deliveries that were parked for the old address are due now.
            self.handover.wake();
        }
        Ok(factor)
    }

    /// Deletes a factor. Its deliveries are cancelled, and its stream ends.
    ///
    /// # Errors
    /// Those of [`Verify::factor`].
    pub async fn delete_factor(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> VerifyResult<()> {
        let (owner, stored) = match self.any_factor(caller, service, identity, sid).await? {
            AnyFactor::Push(factor) => (factor.owner.clone(), Usage::of_factor(&factor)),
            AnyFactor::Totp(factor) => (factor.owner.clone(), Usage::of_totp_factor(&factor)),
        };
        let action = self.action(Event::FactorDeleted, owner.account, sid);
        let was_there = action.store().delete_factor(owner.entity, sid, self.now()).await?;
        if was_there {
            self.quotas.record(owner.account, -stored);
        }
        self.handover.happened();
        self.bus.dismiss(sid).await;
        self.bus.announce(Changed::Factor(sid)).await;
        if !was_there {
            return Err(VerifyError::NotFound);
        }
        action.done();
        Ok(())
    }

    /// The address after an update; `None` if it does not change. The token may be left out if the platform stays the same.
    fn new_address(
        &self,
        old: &Address,
        platform: Option<Platform>,
        token: Option<&str>,
    ) -> VerifyResult<Option<Address>> {
        let wanted = platform.unwrap_or(old.platform());
        if token.is_none() && wanted == old.platform() {
            return Ok(None);
        }
        let new = Address::new(wanted, token, self.settings.strict_tokens)
            .map_err(|bad| VerifyError::Parameter(Parameter::PushToken, bad.0))?;
        Ok((new != *old).then_some(new))
    }
}
