//! TOTP factors: a secret shared with an authenticator app.

use countersign_domain::factor::{AnyFactor, FactorStatus, FactorType};
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccountSid, FactorSid, ServiceSid};
use countersign_domain::text::{FriendlyName, Identity};
use countersign_domain::time::Instant;
use countersign_domain::totp::{
    Code, TotpAlg, TotpChange, TotpConfig, TotpConfigChange, TotpFactor, secret_of, step_of,
};
use countersign_domain::world::random;
use countersign_store::StoreError;
use countersign_store::seam::{Enrolled, Shown, ShownCode, TotpEnrolment, TotpUpdate};

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
        let now = self.now();
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
        match self.store.enrol_totp_factor(&enrolment).await? {
            Enrolled::Done(entity) => {
                factor.owner.entity = entity;
                self.handover.happened();
            }
            Enrolled::TooMany => return Err(VerifyError::TooManyFactors),
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
        let now = self.now();
        let update = TotpUpdate {
            entity: factor.owner.entity,
            sid: factor.sid,
            code: code.map(|code| self.judge(factor, code, now)).transpose()?,
            most_wrong: self.options.limits.wrong_codes_per_totp_factor,
            change,
            at: self.later_than(factor.updated_at),
        };
        match self.store.update_totp_factor(&update).await? {
            Shown::Accepted(factor) => {
                self.handover.happened();
                Ok(factor)
            }
            Shown::Wrong => Err(VerifyError::FactorNotProved),
            Shown::Exhausted => Err(VerifyError::TooManyCodes),
            Shown::Gone => Err(VerifyError::NotFound),
        }
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
        let now = self.now();
        let factor = self.store.totp_factor(service, identity, sid).await?;
        factor.filter(|factor| !factor.has_lapsed(now)).ok_or(VerifyError::NotFound)
    }

    /// Whether a code is one of now; whether it is spent, the store decides once more.
    pub(crate) fn judge(
        &self,
        factor: &TotpFactor,
        code: &Code,
        now: Instant,
    ) -> Answer<ShownCode> {
        let secret = self
            .keys
            .open(&factor.secret, &place(factor.sid))
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let step = step_of(code, &secret, factor.config, factor.last_step, now);
        Ok(step.map_or(ShownCode::Wrong, ShownCode::Right))
    }
}

/// Where a secret is sealed for.
fn place(sid: FactorSid) -> String {
    format!("totp_factors/{sid}/secret")
}
