//! Sessions of an operator in a browser.
//!
//! A session is a sealed text, so that any node can read it. It holds the account, the secret that opened the session, its
//! expiry, and when the operator was last seen. A session ends with that secret. The database stores only which sessions were
//! ended early, so that no node accepts a copy of their text.

use std::fmt::Display;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::role::Role;
use countersign_domain::secret::{Sealed, Secret, SecretHash};
use countersign_domain::session::SessionId;
use countersign_domain::sid::{AccountSid, ApiKeySid};
use countersign_domain::time::Instant;
use countersign_domain::world::random;
use countersign_store::seam::Inserted;
use serde::{Deserialize, Serialize};

use crate::error::AuthError;
use crate::security::{self, Event};
use crate::verify::Verify;

/// The text of a session is renewed when it is this old, or a quarter of the idle time if that is shorter.
const RENEWED_AFTER: Duration = Duration::from_secs(60);
/// Sessions of an account that were ended early and have not expired yet. Beyond this number sign-outs are refused.
const MAX_ENDED: u32 = 10_000;
/// Who has a token or an API key of an account may do everything.
const TOKEN_ROLE: Role = Role::Admin;
/// Longer texts are not sessions.
const MAX_LENGTH: usize = 1_024;
/// The context that a session's text is sealed for.
const SEAL_CONTEXT: &str = "sessions";

/// A valid session.
#[derive(Debug, Clone)]
pub struct Session {
    /// The account that the operator is signed in to.
    pub account: AccountSid,
    /// What the operator may do.
    pub role: Role,
    /// The id of the session, which is not secret.
    pub id: String,
    /// When it expires, however active the operator is.
    pub expires_at: Instant,
    /// A new text for the browser, which notes that the operator was seen now, if the present one is due for renewal.
    pub renewed: Option<Secret>,
}

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

/// The content of a session's text.
#[derive(Serialize, Deserialize)]
struct SessionContent {
    account: AccountSid,
    key: Option<ApiKeySid>,
    /// The hash of the secret that opened the session.
    hash: [u8; 32],
    id: String,
    exp: i64,
    /// When the operator was last seen. Absent in the texts of older versions.
    #[serde(default)]
    seen: Option<i64>,
}

impl Verify {
    /// Opens a session with an account's SID and token, or with an API key's SID and secret. Returns its text as well.
    ///
    /// # Errors
    /// See [`AuthError`]. The error does not tell whether the user or the password is wrong.
    pub async fn sign_in(
        &self,
        user: &str,
        password: &str,
    ) -> Result<(Session, Secret), AuthError> {
        let judged = self.judge_sign_in(user, password).await;
        match &judged {
            Ok((session, _)) => security::done(Event::SignIn, session.account, user),
            Err(fault) => log_refusal(Event::SignIn, user, fault),
        }
        judged
    }

    /// Writes to the security log that sign-ins as `user` are refused for a while.
    pub fn note_sign_in_throttled(&self, user: &str) {
        log_refusal(Event::SignInThrottle, user, &"too many sign-ins failed");
    }

    /// Writes to the security log that an operator signed out.
    pub fn note_sign_out(&self, account: AccountSid) {
        security::done(Event::SignOut, account, account);
    }

    async fn judge_sign_in(
        &self,
        user: &str,
        password: &str,
    ) -> Result<(Session, Secret), AuthError> {
        let key = user.parse::<ApiKeySid>().ok();
        if key.is_none() && user.parse::<AccountSid>().is_err() {
            return Err(AuthError::Unknown);
        }
        let account = self.authenticate(user, password).await?.account();
        let hash = match key {
            None => self.keys.hash(password),
            Some(sid) => {
                let key = self.api_keys.get(sid, self.monotonic(), self.store.api_key(sid)).await?;
                key.ok_or(AuthError::Unknown)?.hash
            }
        };
        Ok(self.open_session(account, key, hash))
    }

    /// Opens a session of an account without credentials, for the person who started the process. It ends with the
    /// account's primary token.
    ///
    /// # Errors
    /// [`AuthError::Unknown`] without the account.
    pub async fn sign_in_unasked(
        &self,
        account: AccountSid,
    ) -> Result<(Session, Secret), AuthError> {
        self.check_active(account).await?;
        let found = self.cached_account(account).await?.ok_or(AuthError::Unknown)?;
        security::done(Event::SignIn, account, account);
        Ok(self.open_session(account, None, found.primary.hash))
    }

    /// Returns the session that a text stands for.
    ///
    /// # Errors
    /// [`AuthError::Unknown`] if the text is not a session of this installation, or if the session has expired, was ended, was
    /// idle for too long, or if its secret is no longer valid.
    pub async fn session(&self, text: &str) -> Result<Session, AuthError> {
        let content = self.read_session(text).ok_or(AuthError::Unknown)?;
        let id = session_id(&content.id).ok_or(AuthError::Unknown)?;
        let (now, expires_at) = (self.time().await?, Instant::from_micros(content.exp));
        let seen = content.seen.map(Instant::from_micros);
        let idle_at = seen.map_or(expires_at, |seen| seen + self.settings.sessions.idle);
        if self.has_passed(expires_at.min(idle_at)).await? {
            return Err(AuthError::Unknown);
        }
        let hash = SecretHash(content.hash);
        let works = match content.key {
            Some(sid) => {
                let key = self.api_keys.get(sid, self.monotonic(), self.store.api_key(sid)).await?;
                key.is_some_and(|key| key.hash == hash && key.account == content.account)
            }
            None => {
                let account = self.cached_account(content.account).await?;
                account.is_some_and(|account| account.accepts(hash))
            }
        };
        if !works || self.store.has_session_ended(content.account, id).await? {
            return Err(AuthError::Unknown);
        }
        self.check_active(content.account).await?;
        let after = RENEWED_AFTER.min(self.settings.sessions.idle / 4);
        let is_due = seen.is_none_or(|seen| now >= seen + after);
        let renewed = is_due.then(|| self.seal_session(&content, now));
        let account = content.account;
        Ok(Session { account, role: TOKEN_ROLE, id: content.id, expires_at, renewed })
    }

    /// Ends a session on all nodes.
    ///
    /// # Errors
    /// [`AuthError::TooManyRequests`] if the account has ended ten thousand sessions that have not expired yet; the database failed.
    pub async fn end_session(&self, session: &Session) -> Result<(), AuthError> {
        let id = session_id(&session.id).ok_or(AuthError::Unknown)?;
        let (account, now) = (session.account, self.time().await?);
        let ended = self.store.end_session(account, id, session.expires_at, MAX_ENDED, now);
        match ended.await? {
            Inserted::TooMany => Err(AuthError::TooManyRequests),
            _ => Ok(()),
        }
    }

    /// Seals a text that only pages of a session can read, on any node.
    pub fn seal_for_session(&self, session: &str, text: &Secret) -> Secret {
        let sealed = self.keys.seal(text, &context_of(session), &*self.entropy);
        Secret::new(URL_SAFE_NO_PAD.encode(sealed.as_bytes()))
    }

    /// Opens a text that [`Verify::seal_for_session`] sealed for the same session.
    pub fn open_for_session(&self, session: &str, text: &str) -> Option<Secret> {
        let sealed = Sealed::from_bytes(URL_SAFE_NO_PAD.decode(text).ok()?);
        self.keys.open(&sealed, &context_of(session)).ok()
    }

    /// The token in the forms of a session, which other sites cannot know.
    pub fn form_token(&self, session: &str) -> String {
        self.keys.form_token(session)
    }

    /// Whether a token is the form token of a session.
    pub fn is_form_token(&self, session: &str, token: &str) -> bool {
        self.keys.is_form_token(session, token)
    }

    /// A random text of 128 bits in base64url.
    pub fn nonce(&self) -> String {
        URL_SAFE_NO_PAD.encode(random::<16>(&*self.entropy))
    }

    fn open_session(
        &self,
        account: AccountSid,
        key: Option<ApiKeySid>,
        hash: SecretHash,
    ) -> (Session, Secret) {
        let (id, now) = (self.nonce(), self.now());
        let expires_at = now + self.settings.sessions.max;
        let exp = expires_at.as_micros();
        let content =
            SessionContent { account, key, hash: hash.0, id: id.clone(), exp, seen: None };
        let text = self.seal_session(&content, now);
        (Session { account, role: TOKEN_ROLE, id, expires_at, renewed: None }, text)
    }

    /// The text of a session whose operator is seen at `now`.
    fn seal_session(&self, content: &SessionContent, now: Instant) -> Secret {
        let content =
            SessionContent { id: content.id.clone(), seen: Some(now.as_micros()), ..*content };
        let text = serde_json::to_string(&content).expect("a session is plain data");
        let sealed = self.keys.seal(&Secret::new(text), SEAL_CONTEXT, &*self.entropy);
        Secret::new(URL_SAFE_NO_PAD.encode(sealed.as_bytes()))
    }

    fn read_session(&self, text: &str) -> Option<SessionContent> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let sealed = Sealed::from_bytes(URL_SAFE_NO_PAD.decode(text).ok()?);
        serde_json::from_str(self.keys.open(&sealed, SEAL_CONTEXT).ok()?.expose()).ok()
    }
}

/// The context of texts that are sealed for a session.
fn context_of(session: &str) -> String {
    format!("{SEAL_CONTEXT}/{session}/pages")
}

/// Parses a text that [`Verify::nonce`] made.
fn session_id(text: &str) -> Option<SessionId> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(SessionId)
}
