//! Sign-in to the console: with a password or a link of an operator, or with a token or an API key of an account.

use std::fmt::Display;
use std::net::IpAddr;

use countersign_domain::operator::OperatorName;
use countersign_domain::secret::Secret;
use countersign_domain::session::Opener;
use countersign_domain::sid::{AccountSid, ApiKeySid, OperatorSid};

use crate::error::AuthError;
use crate::security::{self, Event};
use crate::sessions::Session;
use crate::verify::Verify;

/// Writes a refused sign-in to the security log. The user is logged only if it has the form of a SID: it may be a secret that
/// was typed into the wrong field.
fn log_refusal(event: Event, user: &str, reason: &dyn Display) {
    let account = user.parse::<AccountSid>().ok();
    let api_key = user.parse::<ApiKeySid>().ok();
    let subject: Option<&dyn Display> = match (&account, &api_key) {
        (Some(account), _) => Some(account),
        (None, Some(key)) => Some(key),
        (None, None) => None,
    };
    security::refused(event, account, subject, reason);
}

impl Verify {
    /// Opens a session with an operator's name and password, an account's SID and token, or an API key's SID and secret. Returns
    /// its cookie as well.
    ///
    /// # Errors
    /// See [`AuthError`]. The error does not tell whether the user or the password is wrong.
    pub async fn sign_in(
        &self,
        user: &str,
        password: &str,
        from: Option<IpAddr>,
    ) -> Result<(Session, Secret), AuthError> {
        let judged = match OperatorName::parse(user) {
            Ok(name) => {
                return self.sign_in_as_operator(&name, password, from).await;
            }
            Err(_) => self.judge_token(user, password).await,
        };
        match judged {
            Ok((account, opener)) => self.open_session(account, opener, from).await,
            Err(fault) => {
                log_refusal(Event::SignIn, user, &fault);
                Err(fault)
            }
        }
    }

    /// Writes to the security log that sign-ins as `user` are refused for a while.
    pub fn note_sign_in_throttled(&self, user: &str) {
        log_refusal(Event::SignInThrottle, user, &"too many sign-ins failed");
    }

    /// Whether tokens of accounts and secrets of API keys sign in.
    pub const fn signs_in_by_token(&self) -> bool {
        self.settings.sign_in.by_token
    }

    async fn sign_in_as_operator(
        &self,
        name: &OperatorName,
        password: &str,
        from: Option<IpAddr>,
    ) -> Result<(Session, Secret), AuthError> {
        let found = self.store.operator_named(name).await?;
        let known = found.as_ref().and_then(|operator| operator.password.clone());
        let is_right = self.passwords.is_right(Secret::new(password), known).await;
        let Some(operator) = found.as_ref().filter(|_| is_right) else {
            let sid = found.as_ref().map(|operator| operator.sid);
            let account = found.as_ref().map(|operator| operator.account);
            let subject = sid.as_ref().map(|sid| sid as &dyn Display);
            security::refused(
                Event::SignIn,
                account,
                subject,
                &"the name or the password is wrong",
            );
            return Err(AuthError::Unknown);
        };
        self.open_operators_session(operator.account, operator.sid, from).await
    }

    /// Opens a session by a link that [`Verify::create_operator_link`] made, once.
    ///
    /// # Errors
    /// [`AuthError::Unknown`]: the link was used, is too old, or another one replaced it.
    pub async fn sign_in_by_link(
        &self,
        key: &str,
        from: Option<IpAddr>,
    ) -> Result<(Session, Secret), AuthError> {
        let taken = self.store.take_operator_link(self.keys.hash(key), self.time().await?).await?;
        let Some(operator) = taken else {
            security::refused(Event::SignIn, None, None, &"the link is used, too old or unknown");
            return Err(AuthError::Unknown);
        };
        self.open_operators_session(operator.account, operator.sid, from).await
    }

    /// Opens a session of an account without credentials, for the person who started the process. It ends with the
    /// account's primary token.
    ///
    /// # Errors
    /// [`AuthError::Unknown`] without the account.
    pub async fn sign_in_unasked(
        &self,
        account: AccountSid,
        from: Option<IpAddr>,
    ) -> Result<(Session, Secret), AuthError> {
        self.check_active(account).await?;
        let found = self.cached_account(account).await?.ok_or(AuthError::Unknown)?;
        let opener = Opener::Account(account, found.primary.hash);
        self.open_session(account, opener, from).await
    }

    async fn open_operators_session(
        &self,
        account: AccountSid,
        operator: OperatorSid,
        from: Option<IpAddr>,
    ) -> Result<(Session, Secret), AuthError> {
        self.check_active(account).await?;
        self.open_session(account, Opener::Operator(operator), from).await
    }

    /// The owner of an account's token or of an API key's secret.
    async fn judge_token(
        &self,
        user: &str,
        password: &str,
    ) -> Result<(AccountSid, Opener), AuthError> {
        let key = user.parse::<ApiKeySid>().ok();
        let is_sid = key.is_some() || user.parse::<AccountSid>().is_ok();
        if !is_sid || !self.signs_in_by_token() {
            return Err(AuthError::Unknown);
        }
        let account = self.authenticate(user, password).await?.account();
        let opener = match key {
            None => Opener::Account(account, self.keys.hash(password)),
            Some(sid) => {
                let key = self.api_keys.get(sid, self.monotonic(), self.store.api_key(sid)).await?;
                Opener::ApiKey(sid, key.ok_or(AuthError::Unknown)?.hash)
            }
        };
        Ok((account, opener))
    }
}
