//! The JWT that authenticates a device (Twilio Verify v2, push factors).
//!
//! All checks are made here, in this order: form, kid, signature, subject, time. Each failure is a 401: a device that receives
//! one sets its clock by the response and tries once more.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde_json::Value;

use crate::jws::{Jws, JwsError};
use crate::key::DeviceKey;
use crate::sid::{AccountSid, FactorKeySid};
use crate::time::Instant;

/// The `cty` of a device token.
const CONTENT_TYPE: &str = "twilio-pba;v=1";
/// How far a device's clock may be ahead or behind.
pub const LEEWAY: Duration = Duration::from_secs(60);
/// The longest lifetime of a token.
pub const MAX_VALIDITY: Duration = Duration::from_secs(900);

/// A well-formed token whose signature has not been checked yet.
#[derive(Debug)]
pub struct DeviceToken {
    /// The key that it names as its signer.
    pub key: FactorKeySid,
    jws: Jws,
}

/// Why a token is refused. The texts are shown to the device and name nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceTokenError {
    /// The text is not a JWS with ES256.
    #[error("{0}")]
    Form(#[from] JwsError),
    /// `cty` is missing or another one.
    #[error("must have cty {CONTENT_TYPE} in its header")]
    ContentType,
    /// `kid` is missing or has another form.
    #[error("must have the SID of the factor's key (CR…) as kid in its header")]
    KeyId,
    /// No factor has the kid, or the signature was not made with its key. The two are one error, so that a caller cannot find out
    /// which keys exist.
    #[error("not signed by a known key")]
    Signature,
    /// `sub` is missing.
    #[error("must have the SID of the account as sub")]
    NoSubject,
    /// `sub` is not the factor's account.
    #[error("issued for another account")]
    Subject,
    /// `nbf` or `exp`, the one that is named, is missing or not a number.
    #[error("must have {0} as a number of seconds since 1970")]
    Claim(&'static str),
    /// `nbf` is ahead of this server's clock by this much.
    #[error("not valid for another {} s", .0.as_secs())]
    NotYetValid(Duration),
    /// `exp` is behind this server's clock by this much.
    #[error("expired {} s ago", .0.as_secs())]
    Expired(Duration),
    /// `nonce` is not that of the stream that the token opens.
    #[error("not made for this connection")]
    Nonce,
    /// It is valid for longer than [`MAX_VALIDITY`].
    #[error("valid for more than 900 s")]
    TooLong,
}

impl DeviceToken {
    /// Parses a token.
    ///
    /// # Errors
    /// [`DeviceTokenError::Form`], [`DeviceTokenError::ContentType`], [`DeviceTokenError::KeyId`].
    pub fn parse(text: &str) -> Result<Self, DeviceTokenError> {
        let jws = Jws::parse(text)?;
        let text_of = |name| jws.header.get(name).and_then(Value::as_str);
        if text_of("cty") != Some(CONTENT_TYPE) {
            return Err(DeviceTokenError::ContentType);
        }
        let key = text_of("kid").and_then(|kid| kid.parse().ok()).ok_or(DeviceTokenError::KeyId)?;
        Ok(Self { key, jws })
    }

    /// Checks signature, subject and time, for the factor that has the kid.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn check(
        &self,
        key: &DeviceKey,
        account: AccountSid,
        now: Instant,
    ) -> Result<(), DeviceTokenError> {
        if !self.jws.is_signed_by(key) {
            return Err(DeviceTokenError::Signature);
        }
        let subject = self.jws.payload.get("sub").ok_or(DeviceTokenError::NoSubject)?;
        if subject.as_str().and_then(|sub| sub.parse().ok()) != Some(account) {
            return Err(DeviceTokenError::Subject);
        }
        let (not_before, expires) = (self.instant("nbf")?, self.instant("exp")?);
        if not_before > now + LEEWAY {
            return Err(DeviceTokenError::NotYetValid(not_before.since(now)));
        }
        if expires + LEEWAY <= now {
            return Err(DeviceTokenError::Expired(now.since(expires)));
        }
        if expires.since(not_before) > MAX_VALIDITY {
            return Err(DeviceTokenError::TooLong);
        }
        Ok(())
    }

    /// Checks the nonce that a token for the device stream carries (see `docs/integrate/device.md`). The time this takes does
    /// not tell where a wrong nonce differs.
    ///
    /// # Errors
    /// [`DeviceTokenError::Nonce`].
    pub fn check_nonce(&self, nonce: &str) -> Result<(), DeviceTokenError> {
        let carried = self.jws.payload.get("nonce").and_then(Value::as_str);
        let carried = carried.ok_or(DeviceTokenError::Nonce)?;
        verify_slices_are_equal(carried.as_bytes(), nonce.as_bytes())
            .map_err(|_| DeviceTokenError::Nonce)
    }

    fn instant(&self, claim: &'static str) -> Result<Instant, DeviceTokenError> {
        let value = self.jws.payload.get(claim).ok_or(DeviceTokenError::Claim(claim))?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`as` saturates, and fractions of a second do not matter"
        )]
        let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
        seconds.map(Instant::from_seconds).ok_or(DeviceTokenError::Claim(claim))
    }
}
