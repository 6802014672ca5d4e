//! Who is calling (wire reference §1.2, §3.4).

use std::sync::Arc;

use countersign_domain::account::Account;
use countersign_domain::device_token::{DeviceToken, TokenFault};
use countersign_domain::entity::Owner;
use countersign_domain::factor::Factor;
use countersign_domain::sid::{AccountSid, ApiKeySid, FactorSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_store::StoreError;

use crate::access_tokens::OpenedToken;
use crate::{Answer, AuthFault, Verify, VerifyError};

/// The user name of every device.
const DEVICE_USER: &str = "token";

/// A caller whose credentials are good.
#[derive(Debug, Clone)]
pub enum Caller {
    /// An application, with its account's token or an API key.
    Application(AccountSid),
    /// A device that holds an access token.
    Enrolling(OpenedToken),
    /// A device that signs with its factor's key.
    Device(Box<Factor>),
}

impl Caller {
    /// The account that the caller belongs to.
    pub fn account(&self) -> AccountSid {
        match self {
            Self::Application(account) => *account,
            Self::Enrolling(token) => token.account,
            Self::Device(factor) => factor.owner.account,
        }
    }

    /// The account, for what only applications may do.
    ///
    /// # Errors
    /// [`VerifyError::Forbidden`] for devices.
    pub fn application(&self) -> Answer<AccountSid> {
        match self {
            Self::Application(account) => Ok(*account),
            Self::Enrolling(_) | Self::Device(_) => Err(VerifyError::Forbidden),
        }
    }
}

/// A device may act only on its own factor's path; judged from the factor alone, so that a device learns nothing about
/// what else exists.
pub(crate) fn own_path(owner: &Owner, service: ServiceSid, identity: &Identity) -> Answer<()> {
    if owner.service == service && owner.identity == *identity {
        Ok(())
    } else {
        Err(VerifyError::Forbidden)
    }
}

impl Verify {
    /// Judges the user name and password of Basic authentication.
    ///
    /// # Errors
    /// See [`AuthFault`]; never says which half is wrong.
    pub async fn authenticate(&self, user: &str, password: &str) -> Result<Caller, AuthFault> {
        let caller = if user == DEVICE_USER {
            // A JWS has three parts, our access tokens have the five of a JWE.
            if password.split('.').count() == 5 {
                Caller::Enrolling(self.open_access_token(password)?)
            } else {
                Caller::Device(Box::new(self.authenticate_device(password).await?.0))
            }
        } else if let Ok(sid) = user.parse::<AccountSid>() {
            let account = self.cached_account(sid).await?.ok_or(AuthFault::Unknown)?;
            if !account.accepts(self.keys.hash(password)) {
                return Err(AuthFault::Unknown);
            }
            Caller::Application(sid)
        } else if let Ok(sid) = user.parse::<ApiKeySid>() {
            let key = self.api_keys.get(sid, self.now(), self.store.api_key(sid)).await?;
            let key = key.filter(|key| key.hash == self.keys.hash(password));
            Caller::Application(key.ok_or(AuthFault::Unknown)?.account)
        } else {
            return Err(AuthFault::Unknown);
        };
        if self.rates.allow_request(caller.account()) {
            Ok(caller)
        } else {
            Err(AuthFault::TooManyRequests)
        }
    }

    /// Judges a device's token and finds its factor: form, kid, signature, subject, time, in that order. The path and
    /// the nonce of a stream are for the caller to judge.
    ///
    /// # Errors
    /// The first check that fails. A kid that nobody has and a wrong signature look the same.
    pub async fn authenticate_device(
        &self,
        token: &str,
    ) -> Result<(Factor, DeviceToken), AuthFault> {
        let token = DeviceToken::parse(token)?;
        let now = self.now();
        let factor = self.store.factor_by_key(token.key).await?;
        let factor =
            factor.filter(|factor| !factor.has_lapsed(now)).ok_or(TokenFault::Signature)?;
        token.check(&factor.key, factor.owner.account, now)?;
        Ok((factor, token))
    }

    pub(crate) async fn cached_account(
        &self,
        sid: AccountSid,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        self.accounts.get(sid, self.now(), self.store.account(sid)).await
    }

    /// For calls on one factor: an application reaches all of its account's, a device only its own.
    pub(crate) async fn reach_factor(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> Answer<Factor> {
        match caller {
            Caller::Application(account) => {
                self.service(*account, service).await?;
                let now = self.now();
                let factor = self.store.factor(service, identity, sid).await?;
                factor.filter(|factor| !factor.has_lapsed(now)).ok_or(VerifyError::NotFound)
            }
            Caller::Device(factor) => {
                own_path(&factor.owner, service, identity)?;
                if factor.sid == sid { Ok((**factor).clone()) } else { Err(VerifyError::Forbidden) }
            }
            Caller::Enrolling(_) => Err(VerifyError::Forbidden),
        }
    }
}
