//! Access tokens: a compact JWE (RFC 7516) with `dir` and `A256GCM`, opaque to devices and to everybody else.
//!
//! The string is a function of the record, its nonce included. So it need not be kept, and a reader of the database
//! cannot enrol a device.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::access_token::AccessToken;
use countersign_domain::factor::FactorType;
use countersign_domain::household::Household;
use countersign_domain::invalid::Invalid;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccessTokenSid, AccountSid, ServiceSid};
use countersign_domain::text::{FriendlyName, Identity};
use countersign_domain::time::Instant;
use countersign_store::seam::Inserted;
use serde::{Deserialize, Serialize};

use crate::failures::Presented;
use crate::security::{self, Event};
use crate::{Answer, AuthFault, Verify, VerifyError};

/// The protected header, which is the same for all.
const HEADER: &str = r#"{"alg":"dir","enc":"A256GCM","cty":"twilio-fpa;v=1"}"#;
/// Longer strings are none of ours.
const LONGEST: usize = 4_096;

/// Why a token enrols nothing any more.
pub(crate) const SPENT_TOKEN: Invalid =
    Invalid::because("was used before, or was deleted with its service: ask for another one");

/// What an application asks for.
#[derive(Debug, Clone)]
pub struct NewAccessToken {
    /// Whose device may be enrolled.
    pub identity: Identity,
    /// A name for the factor.
    pub factor_friendly_name: Option<FriendlyName>,
    /// Lifetime in seconds, within [`countersign_domain::access_token::TTL`].
    pub ttl: u16,
}

/// An access token that we made and that has not expired. Whether it was used is known when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedToken {
    /// Its SID.
    pub sid: AccessTokenSid,
    /// The account it was made by.
    pub account: AccountSid,
    /// The service it is for.
    pub service: ServiceSid,
    /// The entity it is for.
    pub identity: Identity,
    /// Where it was presented, if that is known: a token that turns out to be spent counts there as failed credentials.
    pub(crate) from: Option<Household>,
}

/// What is inside the string.
#[derive(Serialize, Deserialize)]
struct Claims {
    jti: AccessTokenSid,
    account: AccountSid,
    service: ServiceSid,
    identity: Identity,
    exp: i64,
}

impl Verify {
    /// Makes an access token, and the string for the device.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the service.
    pub async fn create_access_token(
        &self,
        account: AccountSid,
        service: ServiceSid,
        new: NewAccessToken,
    ) -> Answer<(AccessToken, Secret)> {
        self.service(account, service).await?;
        let now = self.time().await?;
        let token = AccessToken {
            sid: AccessTokenSid::mint(now, &*self.entropy),
            account,
            service,
            identity: new.identity,
            factor_type: FactorType::Push,
            factor_friendly_name: new.factor_friendly_name,
            ttl: new.ttl,
            created_at: now,
        };
        match self.store.create_access_token(&token).await? {
            Inserted::Done => {
                let text = self.token_text(&token);
                Ok((token, text))
            }
            Inserted::NoParent => Err(VerifyError::NotFound),
            Inserted::NotUnique | Inserted::TooMany => Err(VerifyError::Conflict),
        }
    }

    /// The access token, and the string again, until it expires.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn access_token(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: AccessTokenSid,
    ) -> Answer<(AccessToken, Secret)> {
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
        // The second part of a JWE is the encrypted key, which `dir` has none of.
        Secret::new(format!("{header}..{nonce}.{text}.{tag}"))
    }

    /// Reads the string that a device presents.
    pub(crate) async fn open_access_token(&self, text: &str) -> Result<OpenedToken, AuthFault> {
        let claims = self.read_claims(text).ok_or(AuthFault::AccessToken)?;
        let expires_at = Instant::from_micros(claims.exp);
        if self.has_passed(expires_at).await? {
            return Err(AuthFault::AccessTokenExpired(self.now().since(expires_at)));
        }
        let Claims { jti, account, service, identity, .. } = claims;
        Ok(OpenedToken { sid: jti, account, service, identity, from: None })
    }

    /// Checks that a token is for this entity, and was not found spent within the last second.
    ///
    /// # Errors
    /// Why it does not allow the enrolment.
    pub(crate) fn allows_enrolment(
        &self,
        token: &OpenedToken,
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

    /// Counts a token as failed credentials that does not allow the enrolment it was presented for.
    pub(crate) fn refuse_token(&self, token: &OpenedToken, why: Invalid) -> VerifyError {
        security::refused(Event::Credentials, token.account, Some(&token.sid), &why);
        if let Some(from) = token.from {
            self.count_failure(from, Presented::Nothing, self.monotonic());
        }
        VerifyError::TokenNotForThis(why)
    }

    fn read_claims(&self, text: &str) -> Option<Claims> {
        if text.len() > LONGEST {
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
        let sealed = [decode(text)?, tag].concat();
        let claims = self.keys.decrypt_token(nonce, header.as_bytes(), &sealed).ok()?;
        serde_json::from_slice(&claims).ok()
    }
}
