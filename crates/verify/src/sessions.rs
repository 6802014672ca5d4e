//! Sessions of an operator in a browser. Nothing is kept of them: a session is a sealed text that says who signed in, by
//! which secret and until when, so that any node can read it, and it ends with that secret.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::secret::{Sealed, Secret, SecretHash};
use countersign_domain::sid::{AccountSid, ApiKeySid};
use countersign_domain::time::Instant;
use countersign_domain::world::random;
use serde::{Deserialize, Serialize};

use crate::{AuthFault, Verify};

/// How long a session lasts.
pub const LASTS: Duration = Duration::from_secs(8 * 60 * 60);
/// Longer texts are none of ours.
const LONGEST: usize = 1_024;
const PLACE: &str = "sessions";

/// A session that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose things it shows.
    pub account: AccountSid,
    /// Names the session; of no use to anybody else.
    pub id: String,
    /// Until when.
    pub expires_at: Instant,
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
        Ok(self.open_session(account, None, found.primary.hash))
    }

    /// Reads the text of a session.
    ///
    /// # Errors
    /// [`AuthFault::Unknown`] if it is none of ours, is over, or its secret works no more.
    pub async fn session(&self, text: &str) -> Result<Session, AuthFault> {
        let inside = self.read_session(text).ok_or(AuthFault::Unknown)?;
        let expires_at = Instant::from_micros(inside.exp);
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
        if works && !self.has_passed(expires_at).await? {
            self.check_active(inside.account).await?;
            Ok(Session { account: inside.account, id: inside.id, expires_at })
        } else {
            Err(AuthFault::Unknown)
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
        let session = Session { account, id: self.nonce(), expires_at: self.now() + LASTS };
        let inside = Inside {
            account,
            key,
            hash: hash.0,
            id: session.id.clone(),
            exp: session.expires_at.as_micros(),
        };
        let text = serde_json::to_string(&inside).expect("a session is plain data");
        let sealed = self.keys.seal(&Secret::new(text), PLACE, &*self.entropy);
        (session, Secret::new(URL_SAFE_NO_PAD.encode(sealed.as_bytes())))
    }

    fn read_session(&self, text: &str) -> Option<Inside> {
        if text.len() > LONGEST {
            return None;
        }
        let sealed = Sealed::from_bytes(URL_SAFE_NO_PAD.decode(text).ok()?);
        serde_json::from_str(self.keys.open(&sealed, PLACE).ok()?.expose()).ok()
    }
}
