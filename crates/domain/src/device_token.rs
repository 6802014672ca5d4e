//! The JWT by which a device says who it is (wire reference §3.4).
//!
//! The checks run in one order, in one place: form, kid, signature, subject, time. Each fault is a 401, since a
//! device takes a 401 to mean that its clock is wrong and tries once more.

use std::time::Duration;

use serde_json::Value;

use crate::jws::Jws;
use crate::key::DeviceKey;
use crate::sid::{AccountSid, FactorKeySid};
use crate::time::Instant;

/// The `cty` of a device token: nothing else, and no other version.
const CONTENT_TYPE: &str = "twilio-pba;v=1";
/// By how much a device's clock may be off, either way.
pub const LEEWAY: Duration = Duration::from_secs(60);
/// The longest lifetime a device may give its token.
pub const LONGEST: Duration = Duration::from_secs(900);

/// A token whose form is right; who signed it is not known yet.
#[derive(Debug)]
pub struct DeviceToken {
    /// The key it claims to be signed with.
    pub key: FactorKeySid,
    jws: Jws,
}

/// Why a token is not good enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Not a JWS, not ES256, not of type `twilio-pba;v=1`, or without a kid.
    #[error(
        "must be a JWT with alg ES256, cty twilio-pba;v=1 and, as kid, the SID of the factor's key"
    )]
    Form,
    /// No living factor has the kid, or the signature is not of its key. The two are told apart by nobody.
    #[error("not signed by a known key")]
    Signature,
    /// `sub` is not the factor's account.
    #[error("issued for another account")]
    Subject,
    /// `nbf` or `exp` is missing or no number.
    #[error("nbf or exp is missing or no number")]
    Claims,
    /// `nbf` lies ahead of our clock by this much.
    #[error("not valid for another {} s", .0.as_secs())]
    NotYetValid(Duration),
    /// `exp` lies behind our clock by this much.
    #[error("expired {} s ago", .0.as_secs())]
    Expired(Duration),
    /// It does not hold the nonce of the stream that it was to open.
    #[error("not made for this connection")]
    Nonce,
    /// It would be valid for more than [`LONGEST`].
    #[error("valid for more than 900 s")]
    TooLong,
}

impl DeviceToken {
    /// Reads a token.
    ///
    /// # Errors
    /// [`TokenFault::Form`].
    pub fn parse(text: &str) -> Result<Self, TokenFault> {
        let jws = Jws::parse(text).map_err(|_| TokenFault::Form)?;
        let text_of = |name| jws.header.get(name).and_then(Value::as_str);
        if text_of("cty") != Some(CONTENT_TYPE) {
            return Err(TokenFault::Form);
        }
        let key = text_of("kid").and_then(|kid| kid.parse().ok()).ok_or(TokenFault::Form)?;
        Ok(Self { key, jws })
    }

    /// Checks signature, subject and time against the factor that owns the kid.
    ///
    /// # Errors
    /// The first of them that fails.
    pub fn check(
        &self,
        key: &DeviceKey,
        account: AccountSid,
        now: Instant,
    ) -> Result<(), TokenFault> {
        if !self.jws.is_signed_by(key) {
            return Err(TokenFault::Signature);
        }
        let subject = self.jws.payload.get("sub").and_then(Value::as_str);
        if subject.and_then(|sub| sub.parse().ok()) != Some(account) {
            return Err(TokenFault::Subject);
        }
        let (not_before, expires) = (self.instant("nbf")?, self.instant("exp")?);
        if not_before > now + LEEWAY {
            return Err(TokenFault::NotYetValid(not_before.since(now)));
        }
        if expires + LEEWAY <= now {
            return Err(TokenFault::Expired(now.since(expires)));
        }
        if expires.since(not_before) > LONGEST {
            return Err(TokenFault::TooLong);
        }
        Ok(())
    }

    /// Checks the nonce that a token for the device stream carries (see `docs/integrate/device.md`). The time this takes does
    /// not tell where a wrong nonce differs.
    ///
    /// # Errors
    /// [`TokenFault::Nonce`].
    pub fn check_nonce(&self, nonce: &str) -> Result<(), TokenFault> {
        let carried = self.jws.payload.get("nonce").and_then(Value::as_str);
        let is_it = |carried: &str| {
            let differences = carried.bytes().zip(nonce.bytes()).map(|(a, b)| a ^ b);
            carried.len() == nonce.len() && differences.fold(0, |all, one| all | one) == 0
        };
        if carried.is_some_and(is_it) { Ok(()) } else { Err(TokenFault::Nonce) }
    }

    fn instant(&self, claim: &str) -> Result<Instant, TokenFault> {
        let value = self.jws.payload.get(claim).ok_or(TokenFault::Claims)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`as` saturates, and a fraction is of no use"
        )]
        let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
        seconds.map(Instant::from_seconds).ok_or(TokenFault::Claims)
    }
}
