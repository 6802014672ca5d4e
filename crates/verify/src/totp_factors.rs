//! TOTP factors: a secret shared with an authenticator app.

use std::time::Duration;

use countersign_domain::factor::{AnyFactor, FactorStatus, FactorType};
use countersign_domain::invalid::Invalid;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccountSid, FactorSid, ServiceSid};
use countersign_domain::text::{FriendlyName, Identity};
use countersign_domain::time::Instant;
use countersign_domain::totp::{
    Code, TotpAlg, TotpChange, TotpConfig, TotpConfigChange, TotpFactor, judge, secret_of,
};
use countersign_domain::usage::Usage;
use countersign_domain::world::random;
use countersign_store::StoreError;
use countersign_store::seam::{Enrolled, Judged, Shown, TotpEnrolment, TotpUpdate};

use crate::accounts::TRIES;
use crate::security::{self, Event};
use crate::{Answer, Caller, Verify, VerifyError};

/// What an application says of a new factor.
#[derive(Debug, Clone)]
pub struct NewTotpFactor {
    /// What the person calls it.
    pub friendly_name: FriendlyName,
    /// The shared secret in Base32; made if absent.
    pub secret: Option<Secret>,
    /// How its codes are made, where that differs from the service's settings.
    pub config: TotpConfigChange,
}

/// A factor that was made, with what is shown this once.
#[derive(Debug)]
pub struct MadeTotpFactor {
    /// The factor.
    pub factor: TotpFactor,
    /// Its secret in Base32.
    pub secret: Secret,
    /// Who an authenticator app says the codes are for.
    pub issuer: String,
}

impl Verify {
    /// Makes a TOTP factor, and the entity if need be.
    ///
    /// # Errors
    /// [`VerifyError::Forbidden`] for devices, [`VerifyError::TooManyFactors`], [`VerifyError::TooManyFactorsToday`],
    /// [`VerifyError::TooManyEntities`], [`VerifyError::NotFound`] without the service.
    pub async fn enrol_totp(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        new: NewTotpFactor,
    ) -> Answer<MadeTotpFactor> {
        let account = caller.application()?;
        let settings = self.service(account, service).await?;
        let is_new = self.store.entity(service, identity).await?.is_none();
        if is_new && !self.rates.allow_entity(account) {
            return Err(VerifyError::TooManyEntities);
        }
        let totp = &settings.settings.totp;
        let service_wide = TotpConfig {
            alg: TotpAlg::Sha1,
            time_step: totp.time_step,
            skew: totp.skew,
            code_length: totp.code_length,
        };
        let now = self.time().await?;
        let sid = FactorSid::mint(FactorType::Totp, now, &*self.entropy);
        let secret = new.secret.unwrap_or_else(|| secret_of(&random(&*self.entropy)));
        let mut factor = TotpFactor {
            sid,
            owner: self.new_owner(account, service, identity.clone()),
            friendly_name: new.friendly_name,
            status: FactorStatus::Unverified,
            secret: self.keys.seal(&secret, &place(sid), &*self.entropy),
            config: new.config.of(service_wide),
            last_step: None,
            created_at: now,
            updated_at: now,
        };
        let limits = &self.options.limits;
        let enrolment = TotpEnrolment {
            factor: factor.clone(),
            most_per_entity: limits.totp_factors_per_entity,
            most_per_day: limits.factors_per_entity_per_day,
        };
        let stored =
            Usage::of_totp_factor(&factor) + if is_new { Usage::ENTITY } else { Usage::default() };
        let records = [*factor.owner.entity.as_bytes(), *factor.sid.as_bytes()];
        let room = self.quotas.take(account, stored, &records, now)?;
        match self.store.enrol_totp_factor(&enrolment).await? {
            Enrolled::Done(entity) => {
                room.keep();
                factor.owner.entity = entity;
                security::done(Event::FactorCreated, account, sid);
                self.handover.happened();
            }
            Enrolled::TooMany => {
                let most = self.options.limits.totp_factors_per_entity;
                return Err(VerifyError::TooManyFactors(FactorType::Totp, most));
            }
            Enrolled::TooManyToday => return Err(VerifyError::TooManyFactorsToday),
            Enrolled::NoService | Enrolled::TokenSpent | Enrolled::KeyTaken => {
                return Err(VerifyError::NotFound);
            }
        }
        let name = settings.settings.friendly_name.as_str();
        let issuer = totp.issuer.clone().unwrap_or_else(|| name.to_owned());
        Ok(MadeTotpFactor { factor, secret, issuer })
    }

    /// A factor of either type.
    ///
    /// # Errors
    /// Those of [`Verify::factor`].
    pub async fn any_factor(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> Answer<AnyFactor> {
        match self.reach_factor(caller, service, identity, sid).await {
            Ok(factor) => Ok(AnyFactor::Push(Box::new(factor))),
            Err(VerifyError::NotFound) => {
                let account = caller.application()?;
                let factor = self.reach_totp(account, service, identity, sid).await?;
                Ok(AnyFactor::Totp(Box::new(factor)))
            }
            Err(error) => Err(error),
        }
    }

    /// Changes a factor, verifies it if a code is given, or both: if the code is wrong, nothing.
    ///
    /// # Errors
    /// [`VerifyError::FactorNotProved`], [`VerifyError::TooManyCodes`], [`VerifyError::NotFound`].
    pub async fn update_totp(
        &self,
        factor: &TotpFactor,
        code: Option<&Code>,
        change: TotpChange,
    ) -> Answer<TotpFactor> {
        if code.is_none() && change == TotpChange::default() {
            return Ok(factor.clone());
        }
        let mut factor = factor.clone();
        for _ in 0..TRIES {
            let now = self.time().await?;
            let update = TotpUpdate {
                entity: factor.owner.entity,
                sid: factor.sid,
                code: code.map(|code| self.judge(&factor, code, now)).transpose()?,
                most_wrong: self.options.limits.wrong_codes_per_totp_factor,
                change: change.clone(),
                at: now.max(factor.updated_at + Duration::from_micros(1)),
            };
            match self.store.update_totp_factor(&update).await? {
                Shown::Accepted(factor) => {
                    if code.is_some() {
                        security::done(Event::FactorVerified, factor.owner.account, factor.sid);
                    }
                    self.handover.happened();
                    return Ok(factor);
                }
                Shown::Wrong => return Err(unproved(&factor, WRONG_CODE)),
                Shown::Spent => return Err(unproved(&factor, SPENT_CODE)),
                Shown::Exhausted => return Err(VerifyError::TooManyCodes),
                Shown::Gone => return Err(VerifyError::NotFound),
                Shown::Moved => factor = self.read_again(&factor).await?,
            }
        }
        Err(VerifyError::Conflict)
    }

    /// A factor whose settings changed while a code was judged by them.
    pub(crate) async fn read_again(&self, factor: &TotpFactor) -> Answer<TotpFactor> {
        let owner = &factor.owner;
        let is = self.store.totp_factor(owner.service, &owner.identity, factor.sid).await?;
        is.ok_or(VerifyError::NotFound)
    }

    /// A living TOTP factor of an account's.
    pub(crate) async fn reach_totp(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> Answer<TotpFactor> {
        self.service(account, service).await?;
        let factor = self.store.totp_factor(service, identity, sid).await?;
        let factor = self.unless_lapsed(factor, TotpFactor::has_lapsed).await?;
        factor.ok_or(VerifyError::NotFound)
    }

    /// Judges a code at `now` by a factor as it was read; the store judges it once more by what is stored.
    pub(crate) fn judge(&self, factor: &TotpFactor, code: &Code, now: Instant) -> Answer<Judged> {
        let secret = self
            .keys
            .open(&factor.secret, &place(factor.sid))
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(Judged {
            code: judge(code, &secret, factor.config, factor.last_step, now),
            config: factor.config,
            most_in_a_row: self.options.limits.wrong_codes_in_a_row_per_totp_factor,
        })
    }
}

fn unproved(factor: &TotpFactor, why: Invalid) -> VerifyError {
    security::refused(Event::FactorVerified, factor.owner.account, Some(&factor.sid), &why);
    VerifyError::FactorNotProved(why)
}

/// The reasons for which a code does not count.
pub(crate) const WRONG_CODE: Invalid =
    Invalid::because("is not the code of this factor at this time");
pub(crate) const SPENT_CODE: Invalid =
    Invalid::because("is a code that was used before: wait for the next one");

/// Where a secret is sealed for.
fn place(sid: FactorSid) -> String {
    format!("totp_factors/{sid}/secret")
}
