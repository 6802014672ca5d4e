//! Sessions of an operator in a browser. A session is a sealed text that says who signed in, by which secret, until when, and
//! when the operator was last seen, so that any node can read it. It ends with that secret. Stored is only that a session was
//! ended: it is then of no use on any node, whoever has a copy of its text.

use std::fmt::Display;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::secret::{Sealed, Secret, SecretHash};
use countersign_domain::session::SessionId;
use countersign_domain::sid::{AccountSid, ApiKeySid};
use countersign_domain::time::Instant;
use countersign_domain::world::random;
use countersign_store::seam::Inserted;
use serde::{Deserialize, Serialize};

use crate::security::{self, Event};
use crate::{AuthFault, Verify};

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSpans {
    /// From the sign-in on, whatever happens.
    pub most: Duration,
    /// Without the operator doing anything.
    pub idle: Duration,
}

impl Default for SessionSpans {
    fn default() -> Self {
        Self { most: Duration::from_secs(8 * 60 * 60), idle: Duration::from_secs(60 * 60) }
    }
}

/// A session's text is renewed after this long, or a quarter of the idle time, so that most requests bring no new one.
const RENEWED_AFTER: Duration = Duration::from_secs(60);
/// Sessions of an account that ended before their time and would not be over yet; more sign-outs have to wait.
const MOST_ENDED: u32 = 10_000;
/// Longer texts are none of ours.
const LONGEST: usize = 1_024;
const PLACE: &str = "sessions";

/// A session that is good.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose things it shows.
    pub account: AccountSid,
    /// Names the session; of no use to anybody else.
    pub id: String,
    /// Until when, whatever happens.
    pub expires_at: Instant,
    /// The text for the browser to keep from now on, if the one that it has is some seconds old: it says that the operator
    /// was seen now.
    pub renewed: Option<Secret>,
}

/// A line of the security log for a sign-in. What was typed as the user is repeated only if it has the form of a SID: it may
/// be a secret in the wrong field.
fn refuse(event: Event, user: &str, reason: &dyn Display) {
    let account = user.parse::<AccountSid>().ok();
    let api_key = user.parse::<ApiKeySid>().ok();
    let subject: Option<&dyn Display> = match (&account, &api_key) {
        (Some(account), _) => Some(account),
        (None, Some(key)) => Some(key),
        (None, None) => None,
    };
    security::refused(event, account, subject, reason);
}

/// What is inside the text.
#[derive(Serialize, Deserialize)]
struct Inside {
    account: AccountSid,
    key: Option<ApiKeySid>,
    /// Of the secret that it was opened with.
    hash: [u8; 32],
    id: String,
    exp: i64,
    /// When the operator was last seen. A node of an older version does not say.
    #[serde(default)]
    seen: Option<i64>,
}

impl Verify {
    /// Opens a session with an account's SID and a token of its, or with an API key's SID and its secret.
    ///
    /// # Errors
    /// See [`AuthFault`]; never says which half is wrong.
    pub async fn sign_in(
        &self,
        user: &str,
        password: &str,
    ) -> Result<(Session, Secret), AuthFault> {
        let judged = self.judge_sign_in(user, password).await;
        match &judged {
            Ok((session, _)) => security::done(Event::SignIn, session.account, user),
            Err(fault) => refuse(Event::SignIn, user, fault),
        }
        judged
    }

    /// Writes down in the security log that sign-ins as `user` are refused for a while.
    pub fn note_sign_in_throttled(&self, user: &str) {
        refuse(Event::SignInThrottle, user, &"too many sign-ins failed");
    }

    /// Writes down in the security log that somebody signed out.
    pub fn note_sign_out(&self, account: AccountSid) {
        security::done(Event::SignOut, account, account);
    }

    async fn judge_sign_in(
        &self,
        user: &str,
        password: &str,
    ) -> Result<(Session, Secret), AuthFault> {
        let key = user.parse::<ApiKeySid>().ok();
        if key.is_none() && user.parse::<AccountSid>().is_err() {
            return Err(AuthFault::Unknown);
        }
        let account = self.authenticate(user, password).await?.account();
        let hash = match key {
            None => self.keys.hash(password),
            Some(sid) => {
                let key = self.api_keys.get(sid, self.monotonic(), self.store.api_key(sid)).await?;
                key.ok_or(AuthFault::Unknown)?.hash
            }
        };
        Ok(self.open_session(account, key, hash))
    }

    /// Opens a session of an account for somebody who need not show a secret, such as whoever started the process. It
    /// ends with the account's primary token.
    ///
    /// # Errors
    /// [`AuthFault::Unknown`] without the account.
    pub async fn sign_in_unasked(
        &self,
        account: AccountSid,
    ) -> Result<(Session, Secret), AuthFault> {
        self.check_active(account).await?;
        let found = self.cached_account(account).await?.ok_or(AuthFault::Unknown)?;
        security::done(Event::SignIn, account, account);
        Ok(self.open_session(account, None, found.primary.hash))
    }

    /// Reads the text of a session.
    ///
    /// # Errors
    /// [`AuthFault::Unknown`] if it is none of ours, is over, was ended, nobody was seen for too long, or its secret works no
    /// more.
    pub async fn session(&self, text: &str) -> Result<Session, AuthFault> {
        let inside = self.read_session(text).ok_or(AuthFault::Unknown)?;
        let id = session_id(&inside.id).ok_or(AuthFault::Unknown)?;
        let (now, expires_at) = (self.time().await?, Instant::from_micros(inside.exp));
        let seen = inside.seen.map(Instant::from_micros);
        let idle_at = seen.map_or(expires_at, |seen| seen + self.options.sessions.idle);
        if self.has_passed(expires_at.min(idle_at)).await? {
            return Err(AuthFault::Unknown);
        }
        let hash = SecretHash(inside.hash);
        let works = match inside.key {
            Some(sid) => {
                let key = self.api_keys.get(sid, self.monotonic(), self.store.api_key(sid)).await?;
                key.is_some_and(|key| key.hash == hash && key.account == inside.account)
            }
            None => {
                let account = self.cached_account(inside.account).await?;
                account.is_some_and(|account| account.accepts(hash))
            }
        };
        if !works || self.store.has_session_ended(inside.account, id).await? {
            return Err(AuthFault::Unknown);
        }
        self.check_active(inside.account).await?;
        let after = RENEWED_AFTER.min(self.options.sessions.idle / 4);
        let is_due = seen.is_none_or(|seen| now >= seen + after);
        let renewed = is_due.then(|| self.seal_session(&inside, now));
        Ok(Session { account: inside.account, id: inside.id, expires_at, renewed })
    }

    /// Ends a session on all nodes.
    ///
    /// # Errors
    /// [`AuthFault::TooManyRequests`] if the account has ended ten thousand that would not be over yet; the database failed.
    pub async fn end_session(&self, session: &Session) -> Result<(), AuthFault> {
        let id = session_id(&session.id).ok_or(AuthFault::Unknown)?;
        let (account, now) = (session.account, self.time().await?);
        let ended = self.store.end_session(account, id, session.expires_at, MOST_ENDED, now);
        match ended.await? {
            Inserted::TooMany => Err(AuthFault::TooManyRequests),
            _ => Ok(()),
        }
    }

    /// What stands in the forms of a session, which no other site can know.
    pub fn form_token(&self, session: &str) -> String {
        self.keys.form_token(session)
    }

    /// Whether it is that.
    pub fn is_form_token(&self, session: &str, token: &str) -> bool {
        self.keys.is_form_token(session, token)
    }

    /// A text that nobody guesses: 128 random bits.
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
        let expires_at = now + self.options.sessions.most;
        let exp = expires_at.as_micros();
        let inside = Inside { account, key, hash: hash.0, id: id.clone(), exp, seen: None };
        let text = self.seal_session(&inside, now);
        (Session { account, id, expires_at, renewed: None }, text)
    }

    /// The text of a session whose operator was seen at `now`.
    fn seal_session(&self, inside: &Inside, now: Instant) -> Secret {
        let inside = Inside { id: inside.id.clone(), seen: Some(now.as_micros()), ..*inside };
        let text = serde_json::to_string(&inside).expect("a session is plain data");
        let sealed = self.keys.seal(&Secret::new(text), PLACE, &*self.entropy);
        Secret::new(URL_SAFE_NO_PAD.encode(sealed.as_bytes()))
    }

    fn read_session(&self, text: &str) -> Option<Inside> {
        if text.len() > LONGEST {
            return None;
        }
        let sealed = Sealed::from_bytes(URL_SAFE_NO_PAD.decode(text).ok()?);
        serde_json::from_str(self.keys.open(&sealed, PLACE).ok()?.expose()).ok()
    }
}

/// Reads a [`Verify::nonce`] back.
fn session_id(text: &str) -> Option<SessionId> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(SessionId)
}
