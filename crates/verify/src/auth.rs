//! Who is calling (wire reference §1.2, §3.4).

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use countersign_domain::account::Account;
use countersign_domain::device_token::{DeviceToken, TokenFault};
use countersign_domain::entity::Owner;
use countersign_domain::factor::Factor;
use countersign_domain::household::Household;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{AccountSid, ApiKeySid, FactorSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_store::StoreError;

use crate::access_tokens::OpenedToken;
use crate::failures::Presented;
use crate::security::{self, Event};
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

/// Whether a password is one of our access tokens, which have the five parts of a JWE. A JWS has three.
fn is_access_token(password: &str) -> bool {
    password.split('.').count() == 5
}

/// The part of these credentials that a failure is counted by.
fn presented<'a>(user: &'a str, password: &'a str) -> Presented<'a> {
    if user == DEVICE_USER {
        Presented::by_device(password)
    } else {
        Presented::Secret(user, password)
    }
}

/// Writes a line of the security log for credentials that are not good. Of what was presented it holds SIDs only: anything
/// else may be a secret in the wrong place.
fn note_refusal(presented: Presented<'_>, fault: &AuthFault) {
    let user = match presented {
        Presented::Secret(user, _) => user,
        Presented::Key(_) | Presented::Nothing => "",
    };
    let (account, api_key) = (user.parse::<AccountSid>().ok(), user.parse::<ApiKeySid>().ok());
    let subject: Option<&dyn Display> = match (&presented, &account, &api_key) {
        (Presented::Key(key), ..) => Some(key),
        (_, Some(account), _) => Some(account),
        (_, None, Some(key)) => Some(key),
        (_, None, None) => None,
    };
    security::refused(Event::Credentials, account, subject, fault);
}

impl Verify {
    /// Judges credentials that came from an address, unless too many have failed from there: see
    /// [`limits.failed_credentials_per_address_per_minute`][limit]. Access tokens are judged always, since they cost no
    /// read; so are all credentials if the address is not known.
    ///
    /// # Errors
    /// Those of [`Verify::authenticate`], and [`AuthFault::TooManyFailures`].
    ///
    /// [limit]: countersign_domain::limits::Limits::failed_credentials_per_address_per_minute
    pub async fn authenticate_from(
        &self,
        from: Option<IpAddr>,
        user: &str,
        password: &str,
    ) -> Result<Caller, AuthFault> {
        let Some(from) = from.map(Household::of) else {
            return self.authenticate(user, password).await;
        };
        let costs_a_read = user != DEVICE_USER || !is_access_token(password);
        let presented = || presented(user, password);
        let judge = self.authenticate(user, password);
        let mut caller = self.judge_from(from, costs_a_read, presented, judge).await?;
        match &mut caller {
            Caller::Application(_) => {
                self.failures.worked(from, Presented::Secret(user, password), self.monotonic());
            }
            Caller::Device(factor) => {
                self.failures.worked(from, Presented::Key(factor.key_sid), self.monotonic());
            }
            Caller::Enrolling(token) => token.from = Some(from),
        }
        Ok(caller)
    }

    /// Judges the token and the nonce that open a device stream, under the same limit as
    /// [`authenticate_from`](Self::authenticate_from). The path is for the caller to judge.
    ///
    /// # Errors
    /// Those of [`Verify::authenticate_device`], [`TokenFault::Nonce`], and [`AuthFault::TooManyFailures`].
    pub async fn authenticate_stream(
        &self,
        from: Option<IpAddr>,
        token: &str,
        nonce: &str,
    ) -> Result<Factor, AuthFault> {
        let judge = async {
            let (factor, token) = self.authenticate_device(token).await?;
            token.check_nonce(nonce)?;
            Ok(factor)
        };
        let Some(from) = from.map(Household::of) else { return judge.await };
        let factor = self.judge_from(from, true, || Presented::by_device(token), judge).await?;
        self.failures.worked(from, Presented::Key(factor.key_sid), self.monotonic());
        Ok(factor)
    }

    /// Counts a first message of a device stream that is no token at all as failed credentials of that address.
    pub fn stream_failed(&self, from: Option<IpAddr>) {
        note_refusal(Presented::Nothing, &TokenFault::Form.into());
        if let Some(from) = from {
            self.count_failure(Household::of(from), Presented::Nothing, self.monotonic());
        }
    }

    /// Counts failed credentials, and writes down when they begin to be too many.
    pub(crate) fn count_failure(&self, from: Household, presented: Presented<'_>, now: Monotonic) {
        if self.failures.failed(from, presented, now) {
            let why = "too many credentials from this address were wrong";
            security::refused(Event::Throttle, None, None, &why);
        }
    }

    /// Runs `judge`, and counts its failure if it is the credentials'. Past the limit of failures nothing that
    /// `costs_a_read` is judged, unless it worked from that household lately.
    async fn judge_from<'a, T>(
        &self,
        from: Household,
        costs_a_read: bool,
        presented: impl Fn() -> Presented<'a>,
        judge: impl Future<Output = Result<T, AuthFault>>,
    ) -> Result<T, AuthFault> {
        let now = self.monotonic();
        if costs_a_read && let Some(left) = self.failures.refuses(from, &presented, now) {
            return Err(AuthFault::TooManyFailures(left));
        }
        let judged = judge.await;
        if let Err(fault) = &judged
            && fault.is_of_credentials()
        {
            note_refusal(presented(), fault);
            self.count_failure(from, presented(), now);
        }
        judged
    }

    /// Judges the user name and password of Basic authentication.
    ///
    /// # Errors
    /// See [`AuthFault`]; never says which half is wrong.
    pub async fn authenticate(&self, user: &str, password: &str) -> Result<Caller, AuthFault> {
        let caller = if user == DEVICE_USER {
            if is_access_token(password) {
                let token = self.open_access_token(password).await?;
                self.check_active(token.account).await?;
                Caller::Enrolling(token)
            } else {
                Caller::Device(Box::new(self.authenticate_device(password).await?.0))
            }
        } else if let Ok(sid) = user.parse::<AccountSid>() {
            let account = self.cached_account(sid).await?.ok_or(AuthFault::Unknown)?;
            if !account.accepts(self.keys.hash(password)) {
                return Err(AuthFault::Unknown);
            }
            if account.suspended_at.is_some() {
                return Err(AuthFault::Suspended);
            }
            Caller::Application(sid)
        } else if let Ok(sid) = user.parse::<ApiKeySid>() {
            let key = self.api_keys.get(sid, self.monotonic(), self.store.api_key(sid)).await?;
            let key = key.filter(|key| self.is_secret_of(key, password));
            let account = key.ok_or(AuthFault::Unknown)?.account;
            self.check_active(account).await?;
            Caller::Application(account)
        } else {
            return Err(AuthFault::Unknown);
        };
        if self.rates.allow_request(caller.account()) {
            Ok(caller)
        } else {
            Err(AuthFault::TooManyRequests)
        }
    }

    /// Judges a device's token and finds its factor: form, kid, signature, subject, time, in that order. The path is
    /// for the caller to judge.
    ///
    /// # Errors
    /// The first check that fails. A kid that nobody has and a wrong signature look the same.
    pub async fn authenticate_device(
        &self,
        token: &str,
    ) -> Result<(Factor, DeviceToken), AuthFault> {
        let token = DeviceToken::parse(token)?;
        let asked_at = self.monotonic();
        if self.unknown_keys.holds(&token.key, asked_at) {
            return Err(TokenFault::Signature.into());
        }
        let factor = self.store.factor_by_key(token.key).await?;
        if factor.is_none() {
            self.unknown_keys.note(token.key, asked_at);
        }
        let factor = self.unless_lapsed(factor, Factor::has_lapsed).await?;
        let factor = factor.ok_or(TokenFault::Signature)?;
        let check = |now| token.check(&factor.key, factor.owner.account, now);
        match check(self.time().await?) {
            Err(TokenFault::NotYetValid(_) | TokenFault::Expired(_)) => {
                check(self.checked_time().await?)?;
            }
            judged => judged?,
        }
        self.check_active(factor.owner.account).await?;
        Ok((factor, token))
    }

    /// Refuses whoever belongs to an account that is suspended; to be asked once their credentials are known to be good.
    pub(crate) async fn check_active(&self, sid: AccountSid) -> Result<(), AuthFault> {
        let account = self.cached_account(sid).await?.ok_or(AuthFault::Unknown)?;
        if account.suspended_at.is_some() { Err(AuthFault::Suspended) } else { Ok(()) }
    }

    pub(crate) async fn cached_account(
        &self,
        sid: AccountSid,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        let read = async {
            let account = self.store.account(sid).await?;
            Ok(account.map(|account| self.with_own_hashes(account)))
        };
        self.accounts.get(sid, self.monotonic(), read).await
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
                let factor = self.store.factor(service, identity, sid).await?;
                let factor = self.unless_lapsed(factor, Factor::has_lapsed).await?;
                factor.ok_or(VerifyError::NotFound)
            }
            Caller::Device(factor) => {
                own_path(&factor.owner, service, identity)?;
                if factor.sid == sid { Ok((**factor).clone()) } else { Err(VerifyError::Forbidden) }
            }
            Caller::Enrolling(_) => Err(VerifyError::Forbidden),
        }
    }
}
