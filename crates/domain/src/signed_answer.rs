//! The proof of an answer: what the device signed, and the key that it was judged by. Anybody can check it without this server.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::challenge::{SIGNED_FIELDS, Verdict};
use crate::jws::Jws;
use crate::key::DeviceKey;

/// The longest answer, in bytes. Devices sign a few kilobytes at most.
pub const MAX_SIGNED_ANSWER: usize = 16 * 1024;

/// An answer as the device signed it. `Debug` does not print it, since it contains the texts of the challenge.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedAnswer {
    /// The compact JWS, at most [`MAX_SIGNED_ANSWER`].
    pub jws: String,
    /// The key of the device when it answered.
    pub key: DeviceKey,
}

impl fmt::Debug for SignedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedAnswer").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The content of a proof that the device has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The verdict.
    pub verdict: Verdict,
    /// All that was signed.
    pub signed: Map<String, Value>,
}

/// Why a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The text is no proof.
    #[error("this is no proof of an answer: {0}")]
    Form(String),
    /// The key is not a P-256 key.
    #[error("public_key {0}")]
    Key(String),
    /// The answer is no JWS with ES256.
    #[error("answer {0}")]
    Jws(String),
    /// The signature does not belong to the key.
    #[error("answer is not signed with public_key")]
    Signature,
    /// The device has not signed a member that every answer signs.
    #[error("answer does not sign {0}")]
    NotSigned(&'static str),
    /// The proof says other than what was signed.
    #[error("{0} is not what the device signed")]
    Differs(&'static str),
}

/// The document that is handed to others. `date_responded` is the server's word, as is that the key belongs to the factor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProofDocument {
    /// The challenge.
    pub challenge_sid: String,
    /// Its account.
    pub account_sid: String,
    /// Its service.
    pub service_sid: String,
    /// Its entity.
    pub entity_sid: String,
    /// The person.
    pub identity: String,
    /// The device.
    pub factor_sid: String,
    /// `approved` or `denied`.
    pub status: String,
    /// When the server recorded the answer (ISO 8601).
    pub date_responded: String,
    /// `ES256`.
    pub alg: String,
    /// The device's key: base64 of the DER SubjectPublicKeyInfo.
    pub public_key: String,
    /// The compact JWS (RFC 7515).
    pub answer: String,
}

impl ProofDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// The text is not JSON, or a member is missing.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        serde_json::from_str(text).map_err(|error| ProofError::Form(error.to_string()))
    }

    /// Checks the signature, and that the document says what was signed.
    ///
    /// # Errors
    /// See [`ProofError`].
    pub fn check(&self) -> Result<Proved, ProofError> {
        let key = DeviceKey::parse(&self.public_key);
        let key = key.map_err(|error| ProofError::Key(error.to_string()))?;
        let jws = Jws::parse(&self.answer).map_err(|error| ProofError::Jws(error.to_string()))?;
        if !jws.is_signed_by(&key) {
            return Err(ProofError::Signature);
        }
        let signed = jws.payload;
        if let Some(missing) = SIGNED_FIELDS.into_iter().find(|name| !signed.contains_key(*name)) {
            return Err(ProofError::NotSigned(missing));
        }
        for (name, member, value) in [
            ("challenge_sid", "sid", &self.challenge_sid),
            ("account_sid", "account_sid", &self.account_sid),
            ("service_sid", "service_sid", &self.service_sid),
            ("entity_sid", "entity_sid", &self.entity_sid),
            ("identity", "identity", &self.identity),
            ("factor_sid", "factor_sid", &self.factor_sid),
            ("status", "status", &self.status),
        ] {
            if signed.get(member).and_then(Value::as_str) != Some(value) {
                return Err(ProofError::Differs(name));
            }
        }
        let verdict = match self.status.as_str() {
            "approved" => Verdict::Approved,
            "denied" => Verdict::Denied,
            _ => return Err(ProofError::NotSigned("status")),
        };
        Ok(Proved { verdict, signed })
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn pair() -> EcdsaKeyPair {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
    }

    fn members() -> Map<String, Value> {
        let mut signed = Map::new();
        for name in SIGNED_FIELDS {
            signed.insert(name.to_owned(), format!("the {name}").into());
        }
        signed.insert("details".to_owned(), json!({"message": "Log in?"}));
        signed.insert("status".to_owned(), "approved".into());
        signed
    }

    fn proof_of(signed: &Map<String, Value>, pair: &EcdsaKeyPair) -> ProofDocument {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "ES256"})), part(&json!(signed)));
        let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        let answer = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature));
        let of = |name: &str| signed.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        ProofDocument {
            challenge_sid: of("sid"),
            account_sid: of("account_sid"),
            service_sid: of("service_sid"),
            entity_sid: of("entity_sid"),
            identity: of("identity"),
            factor_sid: of("factor_sid"),
            status: of("status"),
            date_responded: "2026-11-30T10:00:00Z".to_owned(),
            alg: "ES256".to_owned(),
            public_key: DeviceKey::from_point(pair.public_key().as_ref()).unwrap().to_text(),
            answer,
        }
    }

    #[test]
    fn a_proof_shows_what_was_signed_also_after_a_journey_as_text() {
        let (pair, signed) = (pair(), members());
        let text = serde_json::to_string(&proof_of(&signed, &pair)).unwrap();
        let proved = ProofDocument::parse(&text).unwrap().check().unwrap();
        assert_eq!(proved, Proved { verdict: Verdict::Approved, signed });
    }

    /// A change of a proof.
    type Change = fn(&mut ProofDocument);

    #[test]
    fn a_proof_that_says_other_than_what_was_signed_does_not_hold() {
        let changes: [(&str, Change); 7] = [
            ("challenge_sid", |proof| proof.challenge_sid.push('x')),
            ("account_sid", |proof| proof.account_sid.push('x')),
            ("service_sid", |proof| proof.service_sid.push('x')),
            ("entity_sid", |proof| proof.entity_sid.push('x')),
            ("identity", |proof| proof.identity.push('x')),
            ("factor_sid", |proof| proof.factor_sid.push('x')),
            ("status", |proof| proof.status = "denied".to_owned()),
        ];
        let pair = pair();
        for (name, change) in changes {
            let mut proof = proof_of(&members(), &pair);
            change(&mut proof);
            assert_eq!(proof.check(), Err(ProofError::Differs(name)));
        }
    }

    #[test]
    fn another_key_a_changed_payload_and_a_missing_member_are_found() {
        let (pair, other) = (pair(), pair());
        let mut proof = proof_of(&members(), &pair);
        let answer = proof.answer.clone();
        proof.public_key = proof_of(&members(), &other).public_key;
        assert_eq!(proof.check(), Err(ProofError::Signature));

        let mut changed = members();
        changed.insert("details".to_owned(), json!({"message": "Pay 1,000?"}));
        let forged = proof_of(&changed, &other).answer;
        let payload = forged.split('.').nth(1).unwrap();
        let mut proof = proof_of(&members(), &pair);
        let parts: Vec<_> = answer.split('.').collect();
        proof.answer = format!("{}.{payload}.{}", parts[0], parts[2]);
        assert_eq!(proof.check(), Err(ProofError::Signature));

        for name in SIGNED_FIELDS {
            let mut signed = members();
            signed.remove(name);
            assert_eq!(proof_of(&signed, &pair).check(), Err(ProofError::NotSigned(name)));
        }
        let mut signed = members();
        signed.insert("status".to_owned(), "expired".into());
        assert_eq!(proof_of(&signed, &pair).check(), Err(ProofError::NotSigned("status")));
    }

    #[test]
    fn a_text_that_is_no_proof_is_refused_as_such() {
        assert!(matches!(ProofDocument::parse("{}"), Err(ProofError::Form(_))));
        let mut proof = proof_of(&members(), &pair());
        proof.answer = "a.b".to_owned();
        assert!(matches!(proof.check(), Err(ProofError::Jws(_))));
        proof.public_key = "AAAA".to_owned();
        assert!(matches!(proof.check(), Err(ProofError::Key(_))));
    }

    #[test]
    fn debug_shows_no_text_of_the_challenge() {
        let key = DeviceKey::from_point(pair().public_key().as_ref()).unwrap();
        let answer = SignedAnswer { jws: "eyJhbGciOiJFUzI1NiJ9".to_owned(), key };
        assert!(!format!("{answer:?}").contains("eyJ"));
    }
}
