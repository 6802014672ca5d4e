//! Checks a signed answer to a challenge (Twilio Verify v2, push factors).

use serde_json::{Map, Value};

use crate::challenge::{Challenge, ChallengeClosedError, ChallengeState, Verdict};
use crate::jws::Jws;
use crate::key::DeviceKey;
use crate::presence::PresenceNumber;
use crate::time::Instant;

/// Why a person denied a challenge. Devices that speak Twilio's protocol alone do not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialReason {
    /// `not_me`: the person did not cause the challenge. Somebody else did.
    NotMe,
    /// `cancelled`: the person caused the challenge, and does not want to go on.
    Cancelled,
    /// `presence_failed`: the last wrong number denied it. Only the server says so.
    PresenceFailed,
}

impl DenialReason {
    /// The word in the databases, in webhooks and in responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotMe => "not_me",
            Self::Cancelled => "cancelled",
            Self::PresenceFailed => "presence_failed",
        }
    }

    /// The reason that a database holds. One of a newer release is none.
    pub fn from_stored(word: &str) -> Option<Self> {
        let own = Some(Self::PresenceFailed).filter(|reason| reason.as_str() == word);
        own.or_else(|| Self::named(word))
    }

    /// The reason of this name. Another name is no reason: it must not keep anybody from denying.
    fn named(name: &str) -> Option<Self> {
        match name {
            "not_me" => Some(Self::NotMe),
            "cancelled" => Some(Self::Cancelled),
            _ => None,
        }
    }
}

/// An answer whose signature and signed members agree with a challenge. Only [`check`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedAnswer {
    verdict: Verdict,
    reason: Option<DenialReason>,
    number: Option<PresenceNumber>,
    is_user_verified: bool,
}

impl VerifiedAnswer {
    /// Whether the device says that its platform has verified the person, by a fingerprint, a face or a PIN. The server cannot
    /// check it.
    pub const fn is_user_verified(self) -> bool {
        self.is_user_verified
    }

    /// The verdict.
    pub const fn verdict(self) -> Verdict {
        self.verdict
    }

    /// Why the challenge was denied, if the device signed a reason.
    pub const fn reason(self) -> Option<DenialReason> {
        self.reason
    }

    /// The number that the person entered to approve. Absent from a denial, and from an answer to a challenge that asks for none.
    pub const fn number(self) -> Option<PresenceNumber> {
        self.number
    }
}

impl Challenge {
    /// The challenge after an answer at `now`.
    ///
    /// # Errors
    /// The challenge is no longer open.
    pub fn answer(
        self,
        answer: &VerifiedAnswer,
        now: Instant,
    ) -> Result<Self, ChallengeClosedError> {
        self.is_open(now)?;
        let state = ChallengeState::Answered { verdict: answer.verdict(), at: now };
        Ok(Self { state, updated_at: now, ..self })
    }
}

/// Why an answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The text is not a JWS with ES256.
    #[error("must be a compact JWS with alg ES256")]
    Form,
    /// The signature was not made with the factor's key.
    #[error("is not signed with this factor's key")]
    Signature,
    /// A signed member is missing, or differs from the challenge's.
    #[error("does not sign {0} as it is in the challenge")]
    Member(&'static str),
    /// `status` is neither `approved` nor `denied`.
    #[error("must sign a status of approved or denied")]
    Status,
    /// An approval does not sign the number that the challenge asks for.
    #[error("must sign the number that the page shows, two digits, as presence_answer")]
    NoNumber,
}

/// Checks an answer: the signature first, then every member in `fields` (of [`crate::challenge::SIGNED_FIELDS`]). Compares JSON
/// values and not texts, because platforms differ in escapes and in the order of members. Reads the `reason` of a denial and the
/// `presence_answer` of an approval, whose value the store judges.
///
/// # Errors
/// See [`AnswerError`].
pub fn check(
    text: &str,
    challenge: &Challenge,
    fields: &[&'static str],
    key: &DeviceKey,
) -> Result<VerifiedAnswer, AnswerError> {
    let jws = Jws::parse(text).map_err(|_| AnswerError::Form)?;
    if !jws.is_signed_by(key) {
        return Err(AnswerError::Signature);
    }
    let (signed, wanted) = (&jws.payload, challenge.signed_members().to_map());
    let agrees =
        |name: &&&str| wanted.get(**name).is_some_and(|value| signed.get(**name) == Some(value));
    if let Some(name) = fields.iter().find(|name| !agrees(name)) {
        return Err(AnswerError::Member(name));
    }
    let is_user_verified = signed.get("user_verified") == Some(&Value::Bool(true));
    match signed.get("status").and_then(Value::as_str) {
        Some("approved") => {
            let is_asked = challenge.presence.as_ref().is_some_and(|it| it.hint().is_some());
            let number = if is_asked { Some(number(signed)?) } else { None };
            Ok(VerifiedAnswer {
                verdict: Verdict::Approved,
                reason: None,
                number,
                is_user_verified,
            })
        }
        Some("denied") => {
            let reason = signed.get("reason").and_then(Value::as_str);
            let reason = reason.and_then(DenialReason::named);
            Ok(VerifiedAnswer { verdict: Verdict::Denied, reason, number: None, is_user_verified })
        }
        _ => Err(AnswerError::Status),
    }
}

/// The number that an approval signs. A text that is no number is refused and not counted as a try: it cannot be right.
fn number(signed: &Map<String, Value>) -> Result<PresenceNumber, AnswerError> {
    let text = signed.get("presence_answer").and_then(Value::as_str);
    text.and_then(|text| PresenceNumber::parse(text).ok()).ok_or(AnswerError::NoNumber)
}
