//! A signed answer, checked (wire reference §3.7).

use serde_json::Value;

use crate::challenge::{CannotAnswer, Challenge, ChallengeState, Verdict};
use crate::jws::Jws;
use crate::key::DeviceKey;
use crate::time::Instant;

/// An answer whose signature and signed fields have been checked against one challenge. Only [`check`] makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedAnswer(Verdict);

impl VerifiedAnswer {
    /// What was answered.
    pub const fn verdict(self) -> Verdict {
        self.0
    }
}

impl Challenge {
    /// Records a device's answer. Only signature checking can make a [`VerifiedAnswer`], so an unchecked answer
    /// cannot reach this line.
    ///
    /// # Errors
    /// The challenge is no longer open.
    pub fn answer(self, answer: &VerifiedAnswer, now: Instant) -> Result<Self, CannotAnswer> {
        self.is_open(now)?;
        let state = ChallengeState::Answered { verdict: answer.verdict(), at: now };
        Ok(Self { state, updated_at: now, ..self })
    }
}

/// Why an answer is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// The text is no JWS with ES256.
    #[error("must be a compact JWS with alg ES256")]
    Form,
    /// The signature is not of the factor's key.
    #[error("is not signed with this factor's key")]
    Signature,
    /// A member that was to be signed is missing, or differs from the challenge's.
    #[error("does not sign {0} as it is in the challenge")]
    Member(&'static str),
    /// `status` is neither `approved` nor `denied`.
    #[error("must sign a status of approved or denied")]
    Status,
}

/// Checks an answer: the signature first, then every member that the device was asked to sign (`fields`, of
/// [`crate::challenge::SIGNED_FIELDS`]), compared as JSON values and never as text, since platforms differ in escapes
/// and in the order of keys.
///
/// # Errors
/// See [`AnswerFault`].
pub fn check(
    text: &str,
    challenge: &Challenge,
    fields: &[&'static str],
    key: &DeviceKey,
) -> Result<VerifiedAnswer, AnswerFault> {
    let jws = Jws::parse(text).map_err(|_| AnswerFault::Form)?;
    if !jws.is_signed_by(key) {
        return Err(AnswerFault::Signature);
    }
    let (signed, asked) = (&jws.payload, challenge.signed_members().to_map());
    let agrees =
        |name: &&&str| asked.get(**name).is_some_and(|value| signed.get(**name) == Some(value));
    if let Some(name) = fields.iter().find(|name| !agrees(name)) {
        return Err(AnswerFault::Member(name));
    }
    match signed.get("status").and_then(Value::as_str) {
        Some("approved") => Ok(VerifiedAnswer(Verdict::Approved)),
        Some("denied") => Ok(VerifiedAnswer(Verdict::Denied)),
        _ => Err(AnswerFault::Status),
    }
}
