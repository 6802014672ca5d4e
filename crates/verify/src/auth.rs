//! Authenticates callers by Basic credentials, access tokens and device tokens (Twilio Verify v2).

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use countersign_domain::account::Account;
use countersign_domain::client_network::ClientNetwork;
use countersign_domain::device_token::{DeviceToken, DeviceTokenError};
use countersign_domain::factor::Factor;
use countersign_domain::jws::JwsError;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{AccountSid, ApiKeySid, FactorSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_store::StoreError;

use crate::caller::{Caller, check_own_path};
use crate::error::{AuthError, VerifyError, VerifyResult};
use crate::known_credentials::Presented;
use crate::security::{self, Event};
use crate::verify::Verify;

/// The user name of every device.
const DEVICE_USER: &str = "token";

/// Whether a password has the five parts of an access token, a JWE. A device token, a JWS, has three.
fn is_access_token(password: &str) -> bool {
    password.split('.').count() == 5
}

/// The part of credentials that a failure is counted by.
fn presented<'a>(user: &'a str, password: &'a str) -> Presented<'a> {
    if user == DEVICE_USER {
        Presented::by_device(password)
    } else {
        Presented::Secret(user, password)
    }
}

/// Writes refused credentials to the security log. Only SIDs are logged: any other text may be a secret in the wrong field.
fn log_refusal(presented: Presented<'_>, fault: &AuthError) {
    let user = match presented {
        Presented::Secret(user, _) => user,
        Presented::Key(_) | Presented::Unreadable => "",
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
    /// Authenticates a caller at an address, unless too many credentials have failed from there: see
    /// [`limits.failed_credentials_per_address_per_minute`][limit]. Access tokens are always judged, because they cost no
    /// read, and so are all credentials from an unknown address.
    ///
    /// # Errors
    /// Those of [`Verify::authenticate`], and [`AuthError::TooManyFailures`].
    ///
    /// [limit]: countersign_domain::limits::Limits::failed_credentials_per_address_per_minute
    pub async fn authenticate_from(
        &self,
        from: Option<IpAddr>,
        user: &str,
        password: &str,
    ) -> Result<Caller, AuthError> {
        let Some(from) = from.map(ClientNetwork::of) else {
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

    /// Authenticates the device that opens a stream by its token and the nonce in it, under the same limit as
    /// [`authenticate_from`](Self::authenticate_from). The caller of this method checks the path.
    ///
    /// # Errors
    /// Those of [`Verify::authenticate_device`], [`DeviceTokenError::Nonce`], and [`AuthError::TooManyFailures`].
    pub async fn authenticate_stream(
        &self,
        from: Option<IpAddr>,
        token: &str,
        nonce: &str,
    ) -> Result<Factor, AuthError> {
        let judge = async {
            let (factor, token) = self.authenticate_device(token).await?;
            token.check_nonce(nonce)?;
            Ok(factor)
        };
        let Some(from) = from.map(ClientNetwork::of) else { return judge.await };
        let factor = self.judge_from(from, true, || Presented::by_device(token), judge).await?;
        self.failures.worked(from, Presented::Key(factor.key_sid), self.monotonic());
        Ok(factor)
    }

    /// Counts the first message of a device stream as failed credentials of an address: it holds no token.
    pub fn stream_failed(&self, from: Option<IpAddr>) {
        log_refusal(Presented::Unreadable, &DeviceTokenError::Form(JwsError::Parts).into());
        if let Some(from) = from {
            self.count_failure(ClientNetwork::of(from), Presented::Unreadable, self.monotonic());
        }
    }

    /// Counts failed credentials, and logs when an address reaches the limit.
    pub(crate) fn count_failure(
        &self,
        from: ClientNetwork,
        presented: Presented<'_>,
        now: Monotonic,
    ) {
        if self.failures.failed(from, presented, now) {
            let why = "too many credentials from this address were wrong";
            security::refused(Event::Throttle, None, None, &why);
        }
    }

    /// Runs `judge` and counts a failure of the credentials. Past the limit of failures, credentials that cost a read are not
    /// judged unless they worked from that network lately.
    pub(crate) async fn judge_from<'a, T>(
        &self,
        from: ClientNetwork,
        costs_a_read: bool,
        presented: impl Fn() -> Presented<'a>,
        judge: impl Future<Output = Result<T, AuthError>>,
    ) -> Result<T, AuthError> {
        let now = self.monotonic();
        if costs_a_read && let Some(left) = self.failures.refuses(from, &presented, now) {
            return Err(AuthError::TooManyFailures(left));
        }
        let judged = judge.await;
        if let Err(fault) = &judged
            && fault.is_of_credentials()
        {
            log_refusal(presented(), fault);
            self.count_failure(from, presented(), now);
        }
        judged
    }

    /// Authenticates a caller by the user name and password of Basic authentication.
    ///
    /// # Errors
    /// See [`AuthError`]. The error does not tell whether the user or the password is wrong.
    pub async fn authenticate(&self, user: &str, password: &str) -> Result<Caller, AuthError> {
        let caller = if user == DEVICE_USER {
            if is_access_token(password) {
                let token = self.open_access_token(password).await?;
                self.check_active(token.account).await?;
                Caller::Enrolling(token)
            } else {
                Caller::Device(Box::new(self.authenticate_device(password).await?.0))
            }
        } else if let Ok(sid) = user.parse::<AccountSid>() {
            let account = self.cached_account(sid).await?.ok_or(AuthError::Unknown)?;
            if !account.accepts(self.keys.hash(password)) {
                return Err(AuthError::Unknown);
            }
            if account.suspended_at.is_some() {
                return Err(AuthError::Suspended);
            }
            Caller::Application(sid)
        } else if let Ok(sid) = user.parse::<ApiKeySid>() {
            let key = self.api_keys.get(sid, self.monotonic(), self.store.api_key(sid)).await?;
            let key = key.filter(|key| self.is_secret_of(key, password));
            let account = key.ok_or(AuthError::Unknown)?.account;
            self.check_active(account).await?;
            Caller::Application(account)
        } else {
            return Err(AuthError::Unknown);
        };
        if self.rates.allow_request(caller.account()) {
            Ok(caller)
        } else {
            Err(AuthError::TooManyRequests)
        }
    }

    /// Authenticates a device by its token and returns its factor. Checks form, kid, signature, subject and time, in that
    /// order. The caller of this method checks the path.
    ///
    /// # Errors
    /// The first check that fails. An unknown kid and a wrong signature are the same error.
    pub async fn authenticate_device(
        &self,
        token: &str,
    ) -> Result<(Factor, DeviceToken), AuthError> {
        let token = DeviceToken::parse(token)?;
        let asked_at = self.monotonic();
        if self.unknown_keys.holds(&token.key, asked_at) {
            return Err(DeviceTokenError::Signature.into());
        }
        let factor = self.store.factor_by_key(token.key).await?;
        if factor.is_none() {
            self.unknown_keys.note(token.key, asked_at);
        }
        let factor = self.unless_lapsed(factor, Factor::has_lapsed).await?;
        let factor = factor.ok_or(DeviceTokenError::Signature)?;
        let check = |now| token.check(&factor.key, factor.owner.account, now);
        match check(self.time().await?) {
            Err(DeviceTokenError::NotYetValid(_) | DeviceTokenError::Expired(_)) => {
                check(self.checked_time().await?)?;
            }
            judged => judged?,
        }
        self.check_active(factor.owner.account).await?;
        Ok((factor, token))
    }

    /// Refuses the callers of a suspended account. Checked after their credentials, so that only they learn of the suspension.
    pub(crate) async fn check_active(&self, sid: AccountSid) -> Result<(), AuthError> {
        let account = self.cached_account(sid).await?.ok_or(AuthError::Unknown)?;
        if account.suspended_at.is_some() { Err(AuthError::Suspended) } else { Ok(()) }
    }

    pub(crate) async fn cached_account(
        &self,
        sid: AccountSid,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        let read = async {
            let Some(account) = self.store.account(sid).await? else { return Ok(None) };
            self.with_own_hashes(account).await.map(Some)
        };
        self.accounts.get(sid, self.monotonic(), read).await
    }

    /// Finds a push factor. An application reaches the factors of its account, a device its own.
    pub(crate) async fn reach_factor(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> VerifyResult<Factor> {
        match caller {
            Caller::Application(account) => {
                self.service(*account, service).await?;
                let factor = self.store.factor(service, identity, sid).await?;
                let factor = self.unless_lapsed(factor, Factor::has_lapsed).await?;
                factor.ok_or(VerifyError::NotFound)
            }
            Caller::Device(factor) => {
                check_own_path(&factor.owner, service, identity)?;
                if factor.sid == sid { Ok((**factor).clone()) } else { Err(VerifyError::Forbidden) }
            }
            Caller::Enrolling(_) => Err(VerifyError::Forbidden),
        }
    }
}
