//! Sessions of people in a browser.
//!
//! The cookie of a session is a secret, and the database stores the session under the hash of it. A session shows one account. It
//! was opened by an operator, or with a token or an API key of the account, and ends with them. Nodes agree because they read it
//! with each request.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::operator::{Operator, OperatorName};
use countersign_domain::role::Role;
use countersign_domain::secret::{Sealed, Secret, SecretHash};
use countersign_domain::session::{Opener, SessionId, SessionRecord, SessionStage};
use countersign_domain::sid::{AccountSid, ApiKeySid, OperatorSid};
use countersign_domain::time::Instant;
use countersign_domain::world::random;

use crate::error::{AuthError, VerifyError, VerifyResult};
use crate::security::{self, Event};
use crate::verify::Verify;

/// A person's request is noted when the last one is this old, or a quarter of the idle time if that is shorter.
const SEEN_AFTER: Duration = Duration::from_secs(60);
/// How long a session waits for its second factor.
const HALF_OPEN: Duration = Duration::from_secs(10 * 60);
/// Sessions of one operator, of one API key, and of the tokens of an account. A further one replaces the oldest.
const MAX_SESSIONS: u32 = 50;
/// Sessions of an account that are listed.
const MAX_LISTED: usize = 500;
/// The length of a cookie's text.
const COOKIE_LENGTH: usize = 43;
/// Tokens and API keys of an account have every right.
const TOKEN_ROLE: Role = Role::Admin;
/// The context of texts that pages of a session keep in the browser.
const SEAL_CONTEXT: &str = "sessions";

/// The user who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Somebody with a token of the account.
    Token,
    /// Somebody with the secret of an API key.
    ApiKey(ApiKeySid),
    /// An operator.
    Operator(OperatorSid, OperatorName),
}

impl Who {
    /// The name in the audit trail.
    pub fn name(&self) -> String {
        match self {
            Self::Token => "token".to_owned(),
            Self::ApiKey(sid) => sid.to_string(),
            Self::Operator(_, name) => name.to_string(),
        }
    }
}

/// A session that has not ended.
#[derive(Debug, Clone)]
pub struct Session {
    /// The id of the session, which is not secret.
    pub id: SessionId,
    /// The account that it shows.
    pub account: AccountSid,
    /// The user who is signed in.
    pub who: Who,
    /// The user's role.
    pub role: Role,
    /// How far the sign-in has come. A half-open session shows nothing of the account.
    pub stage: SessionStage,
    /// When it was opened.
    pub opened_at: Instant,
    /// When a person last used it, to about a minute.
    pub seen_at: Instant,
    /// When it expires, however active its person is.
    pub expires_at: Instant,
    /// The address that opened it.
    pub address: Option<IpAddr>,
}

impl Verify {
    /// How long a session lasts at most.
    pub const fn longest_session(&self) -> Duration {
        self.settings.sessions.max
    }

    /// Opens a session, which is a sign-in. An operator's is half-open until a device has approved it, if the setting asks for that.
    pub(crate) async fn open_session(
        &self,
        account: AccountSid,
        opener: Opener,
        address: Option<IpAddr>,
    ) -> Result<(Session, Secret), AuthError> {
        let (now, cookie) = (self.time().await?, self.draw_cookie());
        let needs_more =
            matches!(opener, Opener::Operator(_)) && self.settings.sign_in.second_factor;
        let (stage, lifetime) = if needs_more {
            (SessionStage::Half { prompt: None }, HALF_OPEN)
        } else {
            (SessionStage::Open, self.settings.sessions.max)
        };
        let record = SessionRecord {
            id: self.session_id(cookie.expose()),
            account,
            opener,
            stage,
            opened_at: now,
            seen_at: now,
            expires_at: now + lifetime,
            address,
        };
        let session = self.admit(record.clone()).await?.ok_or(AuthError::Unknown)?;
        if needs_more {
            self.store.open_session(&record, MAX_SESSIONS).await?;
        } else {
            let action = self.action_of(&session, Event::SignIn, session.who.subject(account));
            action.store().open_session(&record, MAX_SESSIONS).await?;
            action.done();
        }
        Ok((session, cookie))
    }

    /// Returns the session of a cookie.
    ///
    /// # Errors
    /// [`AuthError::Unknown`] if there is none, or if it has expired, was ended, was idle for too long, or if who opened it may no
    /// longer sign in.
    pub async fn session(&self, cookie: &str) -> Result<Session, AuthError> {
        if cookie.len() != COOKIE_LENGTH {
            return Err(AuthError::Unknown);
        }
        let record = self.store.session(self.session_id(cookie)).await?;
        let record = record.ok_or(AuthError::Unknown)?;
        if self.has_passed(record.ends_at(self.settings.sessions.idle)).await? {
            return Err(AuthError::Unknown);
        }
        let session = self.admit(record).await?.ok_or(AuthError::Unknown)?;
        self.check_active(session.account).await?;
        Ok(session)
    }

    /// The present state of a session's opener; `None` if the opener may no longer sign in.
    async fn admit(&self, record: SessionRecord) -> Result<Option<Session>, AuthError> {
        let (who, role) = match record.opener {
            Opener::Account(sid, hash) => {
                let account = self.cached_account(sid).await?;
                let works = account.is_some_and(|account| account.accepts(hash));
                (Some(Who::Token).filter(|_| works && self.signs_in_by_token()), TOKEN_ROLE)
            }
            Opener::ApiKey(sid, hash) => {
                let works = self.is_hash_of_key(sid, record.account, hash).await?;
                (Some(Who::ApiKey(sid)).filter(|_| works && self.signs_in_by_token()), TOKEN_ROLE)
            }
            Opener::Operator(sid) => match self.store.operator(sid).await? {
                Some(operator) => (Some(Who::Operator(sid, operator.name)), operator.role),
                None => (None, Role::Read),
            },
        };
        Ok(who.map(|who| Session {
            id: record.id,
            account: record.account,
            who,
            role,
            stage: record.stage,
            opened_at: record.opened_at,
            seen_at: record.seen_at,
            expires_at: record.expires_at,
            address: record.address,
        }))
    }

    async fn is_hash_of_key(
        &self,
        sid: ApiKeySid,
        account: AccountSid,
        hash: SecretHash,
    ) -> Result<bool, AuthError> {
        let key = self.api_keys.get(sid, self.monotonic(), self.store.api_key(sid)).await?;
        Ok(key.is_some_and(|key| key.hash == hash && key.account == account))
    }

    /// Notes that a person used a session now, unless that is noted already.
    ///
    /// # Errors
    /// The database failed.
    pub async fn see_session(&self, session: &Session) -> Result<(), AuthError> {
        let (now, after) = (self.time().await?, SEEN_AFTER.min(self.settings.sessions.idle / 4));
        if now >= session.seen_at + after {
            self.store.see_session(session.id, now).await?;
        }
        Ok(())
    }

    /// Ends a session on all nodes, because its person signs out.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sign_out(&self, session: &Session) -> VerifyResult<()> {
        let (account, subject) = (session.account, session.who.subject(session.account));
        let action = self.action(Event::SignOut, account, subject);
        if action.store().end_session(account, session.id).await? {
            action.done();
        }
        Ok(())
    }

    /// Lists the sessions that a person may end: all of the account for an admin, otherwise their own. The newest come first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sessions_for(&self, by: &Session) -> Result<Vec<Session>, AuthError> {
        let all = self.sessions_of(by.account).await?;
        Ok(all.into_iter().filter(|session| may_end(by, session)).collect())
    }

    /// Lists the sessions of an account that have not ended, the newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sessions_of(&self, account: AccountSid) -> Result<Vec<Session>, AuthError> {
        let now = self.time().await?;
        let mut sessions = Vec::new();
        for record in self.store.sessions(account, MAX_LISTED).await? {
            if now < record.ends_at(self.settings.sessions.idle) {
                sessions.extend(self.admit(record).await?);
            }
        }
        Ok(sessions)
    }

    /// Ends a session that a person may end.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn end_session(&self, by: &Session, id: SessionId) -> VerifyResult<()> {
        let found = self.store.session(id).await?.filter(|found| found.account == by.account);
        let found = found.ok_or(VerifyError::NotFound)?;
        let session = self.admit(found).await.map_err(|_| VerifyError::NotFound)?;
        let session =
            session.filter(|session| may_end(by, session)).ok_or(VerifyError::NotFound)?;
        let subject = session.who.subject(by.account);
        let action = self.action(Event::SessionEnded, by.account, subject);
        if action.store().end_session(session.account, session.id).await? {
            action.done();
        }
        Ok(())
    }

    /// Ends a session, for the person who runs the server.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn revoke_session(&self, id: SessionId) -> VerifyResult<()> {
        let found = self.store.session(id).await?.ok_or(VerifyError::NotFound)?;
        self.store.end_session(found.account, id).await?;
        let subject = match found.opener {
            Opener::Account(sid, _) => sid.to_string(),
            Opener::ApiKey(sid, _) => sid.to_string(),
            Opener::Operator(sid) => sid.to_string(),
        };
        security::done(Event::SessionEnded, found.account, subject);
        Ok(())
    }

    /// Ends all sessions of an operator; returns how many there were.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_operators_sessions(&self, operator: &Operator) -> VerifyResult<usize> {
        let action = self.action(Event::SessionEnded, operator.account, operator.sid);
        let ended = action.store().end_sessions_of(operator.sid).await?;
        match ended {
            // No command was done that would have stored an entry.
            0 => security::done(Event::SessionEnded, operator.account, operator.sid),
            _ => action.done(),
        }
        Ok(ended)
    }

    /// Seals a text that only pages of a session can read, on any node.
    pub fn seal_for_session(&self, session: SessionId, text: &Secret) -> Secret {
        let sealed = self.keys.seal_handed_out(text, &context_of(session), &*self.entropy);
        Secret::new(URL_SAFE_NO_PAD.encode(sealed.as_bytes()))
    }

    /// Opens a text that [`Verify::seal_for_session`] sealed for the same session.
    pub fn open_for_session(&self, session: SessionId, text: &str) -> Option<Secret> {
        let sealed = Sealed::from_bytes(URL_SAFE_NO_PAD.decode(text).ok()?);
        self.keys.open_handed_out(&sealed, &context_of(session)).ok()
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

    fn draw_cookie(&self) -> Secret {
        Secret::new(URL_SAFE_NO_PAD.encode(random::<32>(&*self.entropy)))
    }

    fn session_id(&self, cookie: &str) -> SessionId {
        let SecretHash(hash) = self.keys.hash(cookie);
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        SessionId(id)
    }
}

impl Who {
    /// The SID in the security log.
    pub(crate) fn subject(&self, account: AccountSid) -> String {
        match self {
            Self::Token => account.to_string(),
            Self::ApiKey(sid) => sid.to_string(),
            Self::Operator(sid, _) => sid.to_string(),
        }
    }
}

/// The context of texts that are sealed for a session.
fn context_of(session: SessionId) -> String {
    format!("{SEAL_CONTEXT}/{session}/pages")
}

/// Whether a person may see and end a session of the same account: an admin any, others their own.
fn may_end(by: &Session, session: &Session) -> bool {
    by.role.covers(Role::Admin) || by.who == session.who
}
