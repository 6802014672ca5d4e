//! TOTP factors, which share a secret with an authenticator app.

use std::time::Duration;

use countersign_domain::factor::{AnyFactor, FactorStatus, FactorType};
use countersign_domain::invalid::Invalid;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccountSid, FactorSid, ServiceSid};
use countersign_domain::text::{FriendlyName, Identity};
use countersign_domain::time::Instant;
use countersign_domain::totp::{TotpAlg, TotpChange, TotpConfig, TotpConfigChange, TotpFactor};
use countersign_domain::totp_code::{TotpCode, judge};
use countersign_domain::totp_secret::encode_secret;
use countersign_domain::usage::Usage;
use countersign_domain::world::random;
use countersign_store::seam::{CodeUse, Enrolled, JudgedCode, TotpEnrolment, TotpUpdate};

use crate::caller::Caller;
use crate::error::{VerifyError, VerifyResult};
use crate::security::{self, Event};
use crate::verify::{MAX_TRIES, Verify};

/// A TOTP factor that an application asks for.
#[derive(Debug, Clone)]
pub struct NewTotpFactor {
    /// A name that the person sees.
    pub friendly_name: FriendlyName,
    /// The shared secret in Base32; a new one is made if `None`.
    pub secret: Option<Secret>,
    /// Where its codes differ from the service's settings.
    pub config: TotpConfigChange,
}

/// A new TOTP factor, with its secret, which is returned this once.
#[derive(Debug)]
pub struct CreatedTotpFactor {
    /// The factor.
    pub factor: TotpFactor,
    /// Its secret in Base32.
    pub secret: Secret,
    /// The issuer that an authenticator app shows.
    pub issuer: String,
}

impl Verify {
    /// Creates a TOTP factor, and its entity if that does not exist.
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
    ) -> VerifyResult<CreatedTotpFactor> {
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
        let secret = new.secret.unwrap_or_else(|| encode_secret(&random(&*self.entropy)));
        let mut factor = TotpFactor {
            sid,
            owner: self.new_owner(account, service, identity.clone()),
            friendly_name: new.friendly_name,
            status: FactorStatus::Unverified,
            secret: self.keys.seal(&secret, &seal_context(sid), &*self.entropy),
            config: new.config.apply_to(service_wide),
            last_step: None,
            created_at: now,
            updated_at: now,
        };
        let limits = &self.settings.limits;
        let enrolment = TotpEnrolment {
            factor: factor.clone(),
            most_per_entity: limits.totp_factors_per_entity,
            most_per_day: limits.factors_per_entity_per_day,
        };
        let stored =
            Usage::of_totp_factor(&factor) + if is_new { Usage::ENTITY } else { Usage::default() };
        let records = [*factor.owner.entity.as_bytes(), *factor.sid.as_bytes()];
        let reservation = self.quotas.reserve(account, stored, &records, now)?;
        match self.store.enrol_totp_factor(&enrolment).await? {
            Enrolled::Done(entity) => {
                reservation.keep();
                factor.owner.entity = entity;
                security::done(Event::FactorCreated, account, sid);
                self.handover.happened();
            }
            Enrolled::TooMany => {
                let most = self.settings.limits.totp_factors_per_entity;
                return Err(VerifyError::TooManyFactors(FactorType::Totp, most));
            }
            Enrolled::TooManyToday => return Err(VerifyError::TooManyFactorsToday),
            Enrolled::NoService | Enrolled::TokenSpent | Enrolled::KeyTaken => {
                return Err(VerifyError::NotFound);
            }
        }
        let name = settings.settings.friendly_name.as_str();
        let issuer = totp.issuer.clone().unwrap_or_else(|| name.to_owned());
        Ok(CreatedTotpFactor { factor, secret, issuer })
    }

    /// Returns a factor of either type.
    ///
    /// # Errors
    /// Those of [`Verify::factor`].
    pub async fn any_factor(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> VerifyResult<AnyFactor> {
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

    /// Changes a factor, and verifies it if a code is given. A wrong code changes nothing.
    ///
    /// # Errors
    /// [`VerifyError::FactorNotProved`], [`VerifyError::TooManyCodes`], [`VerifyError::NotFound`].
    pub async fn update_totp(
        &self,
        factor: &TotpFactor,
        code: Option<&TotpCode>,
        change: TotpChange,
    ) -> VerifyResult<TotpFactor> {
        if code.is_none() && change == TotpChange::default() {
            return Ok(factor.clone());
        }
        let (mut factor, action) = (factor.clone(), self.unnamed_action());
        for _ in 0..MAX_TRIES {
            let now = self.time().await?;
            let update = TotpUpdate {
                entity: factor.owner.entity,
                sid: factor.sid,
                code: match code {
                    Some(code) => Some(self.judge(&factor, code, now).await?),
                    None => None,
                },
                most_wrong: self.settings.limits.wrong_codes_per_totp_factor,
                change: change.clone(),
                at: now.max(factor.updated_at + Duration::from_micros(1)),
            };
            match action.store().update_totp_factor(&update).await? {
                CodeUse::Accepted(factor) => {
                    action.done();
                    if code.is_some() {
                        security::done(Event::FactorVerified, factor.owner.account, factor.sid);
                    }
                    self.handover.happened();
                    return Ok(factor);
                }
                CodeUse::Wrong => return Err(reject(&factor, WRONG_CODE)),
                CodeUse::Spent => return Err(reject(&factor, SPENT_CODE)),
                CodeUse::Exhausted => return Err(VerifyError::TooManyCodes),
                CodeUse::NotFound => return Err(VerifyError::NotFound),
                CodeUse::SettingsChanged => factor = self.read_again(&factor).await?,
            }
        }
        Err(VerifyError::Conflict)
    }

    /// Reads a factor again whose settings changed while a code was judged by them.
    pub(crate) async fn read_again(&self, factor: &TotpFactor) -> VerifyResult<TotpFactor> {
        let owner = &factor.owner;
        let is = self.store.totp_factor(owner.service, &owner.identity, factor.sid).await?;
        is.ok_or(VerifyError::NotFound)
    }

    /// Finds a TOTP factor of an account that has not lapsed.
    pub(crate) async fn reach_totp(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> VerifyResult<TotpFactor> {
        self.service(account, service).await?;
        let factor = self.store.totp_factor(service, identity, sid).await?;
        let factor = self.unless_lapsed(factor, TotpFactor::has_lapsed).await?;
        factor.ok_or(VerifyError::NotFound)
    }

    /// Judges a code at `now` by the factor as it was read. The store judges it again by the stored factor.
    pub(crate) async fn judge(
        &self,
        factor: &TotpFactor,
        code: &TotpCode,
        now: Instant,
    ) -> VerifyResult<JudgedCode> {
        let secret = self.open_stored(&factor.secret, &seal_context(factor.sid)).await?;
        Ok(JudgedCode {
            code: judge(code, &secret, factor.config, factor.last_step, now),
            config: factor.config,
            most_in_a_row: self.settings.limits.wrong_codes_in_a_row_per_totp_factor,
        })
    }
}

fn reject(factor: &TotpFactor, why: Invalid) -> VerifyError {
    security::refused(Event::FactorVerified, factor.owner.account, Some(&factor.sid), &why);
    VerifyError::FactorNotProved(why)
}

/// Why a wrong code is refused.
pub(crate) const WRONG_CODE: Invalid =
    Invalid::because("is not the code of this factor at this time");
/// Why a code that was accepted before is refused.
pub(crate) const SPENT_CODE: Invalid =
    Invalid::because("is a code that was used before: wait for the next one");

/// The context that a factor's secret is sealed for.
pub(crate) fn seal_context(sid: FactorSid) -> String {
    format!("totp_factors/{sid}/secret")
}
