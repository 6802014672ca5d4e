//! Access tokens: compact JWEs (RFC 7516) with `dir` and `A256GCM`, opaque to everyone but this server.
//!
//! The text of a token, its nonce included, is a function of its record. It is not stored, so that a reader of the database
//! cannot enrol a device.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::access_token::AccessToken;
use countersign_domain::factor::FactorType;
use countersign_domain::invalid::Invalid;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccessTokenSid, AccountSid, ServiceSid};
use countersign_domain::text::{AccountLabel, FriendlyName, Identity};
use countersign_domain::time::Instant;
use countersign_store::seam::Inserted;
use serde::{Deserialize, Serialize};

use crate::audit::Action;
use crate::caller::OpenedAccessToken;
use crate::error::{AuthError, VerifyError, VerifyResult};
use crate::keys::Keys;
use crate::known_credentials::Presented;
use crate::security::{self, Event};
use crate::verify::Verify;

/// The protected header of every token.
const HEADER: &str = r#"{"alg":"dir","enc":"A256GCM","cty":"twilio-fpa;v=1"}"#;
/// Longer texts are not access tokens.
const MAX_LENGTH: usize = 4_096;

/// Why a token that was used cannot enrol a device.
pub(crate) const SPENT_TOKEN: Invalid =
    Invalid::because("was used before, or was deleted with its service: ask for another one");

/// An access token that an application asks for.
#[derive(Debug, Clone)]
pub struct NewAccessToken {
    /// The entity whose device may be enrolled.
    pub identity: Identity,
    /// A name for the factor.
    pub factor_friendly_name: Option<FriendlyName>,
    /// The text that the device shows in place of the identity.
    pub account_label: Option<AccountLabel>,
    /// Lifetime in seconds, within [`countersign_domain::access_token::TTL`].
    pub ttl: u16,
}

/// The encrypted content of a token.
#[derive(Serialize, Deserialize)]
struct Claims {
    jti: AccessTokenSid,
    account: AccountSid,
    service: ServiceSid,
    identity: Identity,
    exp: i64,
}

fn stored(result: Inserted) -> VerifyResult<()> {
    match result {
        Inserted::Done => Ok(()),
        Inserted::NoParent => Err(VerifyError::NotFound),
        Inserted::NotUnique | Inserted::TooMany => Err(VerifyError::Conflict),
    }
}

impl Verify {
    /// Creates an access token. Returns its text for the device as well.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the service.
    pub async fn create_access_token(
        &self,
        account: AccountSid,
        service: ServiceSid,
        new: NewAccessToken,
    ) -> VerifyResult<(AccessToken, Secret)> {
        let token = self.new_access_token(account, service, new).await?;
        let action = self.unnamed_action();
        stored(action.store().create_access_token(&token).await?)?;
        action.done();
        let text = self.token_text(&token);
        Ok((token, text))
    }

    /// Creates an access token for a person who scans, opens or types its link: it has an
    /// [enrolment code](Verify::enrolment_code).
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the service.
    pub async fn invite(
        &self,
        account: AccountSid,
        service: ServiceSid,
        new: NewAccessToken,
    ) -> VerifyResult<AccessToken> {
        self.invite_by(self.unnamed_action(), account, service, new).await
    }

    /// The same, as a named action.
    pub(crate) async fn invite_by(
        &self,
        action: Action,
        account: AccountSid,
        service: ServiceSid,
        new: NewAccessToken,
    ) -> VerifyResult<AccessToken> {
        let token = self.new_access_token(account, service, new).await?;
        let code = self.keys.enrolment_code_hash(&token);
        stored(action.store().create_invitation(&token, code).await?)?;
        action.done();
        Ok(token)
    }

    async fn new_access_token(
        &self,
        account: AccountSid,
        service: ServiceSid,
        new: NewAccessToken,
    ) -> VerifyResult<AccessToken> {
        self.service(account, service).await?;
        let now = self.time().await?;
        Ok(AccessToken {
            sid: AccessTokenSid::mint(now, &*self.entropy),
            account,
            service,
            identity: new.identity,
            factor_type: FactorType::Push,
            factor_friendly_name: new.factor_friendly_name,
            account_label: new.account_label,
            ttl: new.ttl,
            created_at: now,
            used_at: None,
        })
    }

    /// Returns an access token and its text until it expires.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn access_token(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: AccessTokenSid,
    ) -> VerifyResult<(AccessToken, Secret)> {
        self.service(account, service).await?;
        let token = self.store.access_token(service, sid).await?;
        let token = token.ok_or(VerifyError::NotFound)?;
        if self.has_passed(token.expires_at()).await? {
            return Err(VerifyError::NotFound);
        }
        let text = self.token_text(&token);
        Ok((token, text))
    }

    fn token_text(&self, token: &AccessToken) -> Secret {
        let claims = Claims {
            jti: token.sid,
            account: token.account,
            service: token.service,
            identity: token.identity.clone(),
            exp: token.expires_at().as_micros(),
        };
        let claims = serde_json::to_vec(&claims).expect("claims are plain data");
        let header = URL_SAFE_NO_PAD.encode(HEADER);
        let (nonce, sealed) = self.keys.encrypt_token(header.as_bytes(), &claims);
        let (text, tag) = sealed.split_at(sealed.len() - 16);
        let [nonce, text, tag] =
            [nonce.as_slice(), text, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
        // The second part of a JWE, the encrypted key, is empty with `dir`.
        Secret::new(format!("{header}..{nonce}.{text}.{tag}"))
    }

    /// Opens the text that a device presents.
    pub(crate) async fn open_access_token(
        &self,
        text: &str,
    ) -> Result<OpenedAccessToken, AuthError> {
        let claims = self.read_claims(text).ok_or(AuthError::AccessToken)?;
        let expires_at = Instant::from_micros(claims.exp);
        if self.has_passed(expires_at).await? {
            return Err(AuthError::AccessTokenExpired(self.now().since(expires_at)));
        }
        let Claims { jti, account, service, identity, .. } = claims;
        Ok(OpenedAccessToken { sid: jti, account, service, identity, from: None })
    }

    /// Checks that a token is for this service and entity, and that it was not found spent within the last second.
    ///
    /// # Errors
    /// Why the token does not allow the enrolment.
    pub(crate) fn allows_enrolment(
        &self,
        token: &OpenedAccessToken,
        service: ServiceSid,
        identity: &Identity,
    ) -> Result<(), Invalid> {
        if token.service != service {
            Err(Invalid::because("is for another service"))
        } else if token.identity != *identity {
            Err(Invalid::because("is for another identity"))
        } else if self.spent_tokens.holds(&token.sid, self.monotonic()) {
            Err(SPENT_TOKEN)
        } else {
            Ok(())
        }
    }

    /// Logs a token that does not allow the enrolment, counts it as a failed credential, and returns the error.
    pub(crate) fn refuse_token(&self, token: &OpenedAccessToken, why: Invalid) -> VerifyError {
        security::refused(Event::Credentials, token.account, Some(&token.sid), &why);
        if let Some(from) = token.from {
            self.count_failure(from, Presented::Unreadable, self.monotonic());
        }
        VerifyError::TokenNotForThis(why)
    }

    fn read_claims(&self, text: &str) -> Option<Claims> {
        let claims = decrypt(&self.keys, &Sealed::parse(text)?)?;
        serde_json::from_slice(&claims).ok()
    }
}

/// The parts of a token.
pub(crate) struct Sealed<'a> {
    header: &'a str,
    nonce: [u8; 12],
    /// The claims, encrypted, and the tag.
    text: Vec<u8>,
}

impl<'a> Sealed<'a> {
    /// `None` if the text has not the form of a token.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, "", nonce, text, tag] = parts[..] else { return None };
        if header != URL_SAFE_NO_PAD.encode(HEADER) {
            return None;
        }
        let decode = |part| URL_SAFE_NO_PAD.decode(part).ok();
        let (nonce, tag) = (decode(nonce)?.try_into().ok()?, decode(tag)?);
        if tag.len() != 16 {
            return None;
        }
        Some(Self { header, nonce, text: [decode(text)?, tag].concat() })
    }
}

/// The claims of a token; `None` if it was sealed by other keys.
pub(crate) fn decrypt(keys: &Keys, sealed: &Sealed<'_>) -> Option<Vec<u8>> {
    keys.decrypt_token(sealed.nonce, sealed.header.as_bytes(), &sealed.text).ok()
}
