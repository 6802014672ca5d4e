//! Signs JWTs: ES256 for Apple and Web Push, RS256 for Google.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::agreement;
use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::encoding::EcPublicKeyUncompressedBin;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use countersign_domain::invalid::Invalid;
pub(crate) use countersign_domain::jws_key::CannotSign;
use countersign_domain::jws_key::{JwsAlgorithm, JwsKey};
use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use serde_json::Value;

use crate::pem;

/// A token stays in use if the time of day is set back by less than this: a time service makes small corrections all the time.
const CLOCK_CORRECTION: Duration = Duration::from_secs(5);
/// The two clocks may drift apart by this much before the time of day counts as set forward.
const CLOCK_DRIFT: Duration = Duration::from_secs(60);

/// When a token was signed, by both clocks. Its age is measured by the monotonic clock, from when this process first saw it;
/// others compare the time of day in it with their own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IssueTime {
    /// When this process first saw it.
    seen_at: Monotonic,
    /// The token's age at that time.
    age_then: Duration,
    /// The time of day.
    pub(crate) issued_at: Instant,
}

impl IssueTime {
    /// For a token that is signed now.
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        Self::at(clock.now(), clock)
    }

    /// For a token that was signed earlier, by this process or by another one with the same time of day.
    pub(crate) fn at(issued_at: Instant, clock: &dyn Clock) -> Self {
        let age_then = clock.now().since(issued_at);
        Self { seen_at: clock.monotonic(), age_then, issued_at }
    }

    fn age(self, clock: &dyn Clock) -> Duration {
        clock.monotonic().since(self.seen_at) + self.age_then
    }

    /// Whether a token is younger than `limit` and not from the future. A token from the future was signed while the time of
    /// day was ahead, which has been corrected since.
    pub(crate) fn is_within(self, limit: Duration, clock: &dyn Clock) -> bool {
        self.age(clock) < limit && self.issued_at <= clock.now() + CLOCK_CORRECTION
    }

    /// Whether the time of day has been set forward since the token was signed.
    pub(crate) fn was_behind(self, clock: &dyn Clock) -> bool {
        clock.now().since(self.issued_at) > self.age(clock) + CLOCK_DRIFT
    }
}

/// A parsed private key, without `Debug`.
#[derive(Clone)]
pub(crate) struct SigningKey(JwsKey);

impl SigningKey {
    /// Parses a P-256 key from PKCS#8 in PEM, the format of Apple's `.p8` files.
    pub(crate) fn p256(text: &str) -> Result<Self, Invalid> {
        JwsKey::from_pkcs8(JwsAlgorithm::Es256, &pem::pkcs8(text)?).map(Self)
    }

    /// Parses a P-256 key from its 32 bytes.
    pub(crate) fn p256_raw(bytes: &[u8]) -> Result<Self, Invalid> {
        const FORM: Invalid = Invalid::because("must be a private key on the curve P-256");
        let half = agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, bytes);
        let public = half.ok().and_then(|half| half.compute_public_key().ok()).ok_or(FORM)?;
        let public: EcPublicKeyUncompressedBin<'_> = public.as_be_bytes().map_err(|_| FORM)?;
        let key = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            bytes,
            public.as_ref(),
        );
        Ok(Self(JwsKey::Es256(Arc::new(key.map_err(|_| FORM)?))))
    }

    /// Parses an RSA key from PKCS#8 in PEM, the format in a service account.
    pub(crate) fn rsa(text: &str) -> Result<Self, Invalid> {
        JwsKey::from_pkcs8(JwsAlgorithm::Rs256, &pem::pkcs8(text)?).map(Self)
    }

    /// The public key: an uncompressed point of 65 bytes for P-256.
    pub(crate) fn point(&self) -> &[u8] {
        self.0.public_key()
    }

    /// A compact JWS over `claims`, with the members of `header` and `alg`.
    pub(crate) fn sign(&self, header: Value, claims: &Value) -> Result<String, CannotSign> {
        self.0.sign(header, claims, &SystemRandom::new())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    };
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    fn is_signed(algorithm: &'static dyn VerificationAlgorithm, key: &[u8], token: &str) -> bool {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(algorithm, key).verify(signed.as_bytes(), &signature).is_ok()
    }

    #[test]
    fn es256_has_a_raw_signature_that_verifies() {
        let key = SigningKey::p256(fixtures::p256_pem()).unwrap();
        let token = key.sign(json!({"kid": "K"}), &json!({"iss": "T"})).unwrap();
        assert!(is_signed(&ECDSA_P256_SHA256_FIXED, key.point(), &token));
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, json!({"alg": "ES256", "kid": "K"}));
    }

    #[test]
    fn rs256_verifies() {
        let key = SigningKey::rsa(fixtures::rsa_pem()).unwrap();
        let token = key.sign(json!({"typ": "JWT"}), &json!({"iss": "a@b"})).unwrap();
        assert!(is_signed(&RSA_PKCS1_2048_8192_SHA256, key.point(), &token));
    }

    #[test]
    fn a_key_of_another_kind_is_rejected() {
        let why = |key: Result<SigningKey, Invalid>| key.err().unwrap().to_string();
        assert!(why(SigningKey::p256(fixtures::rsa_pem())).contains("P-256"));
        assert!(why(SigningKey::rsa(fixtures::p256_pem())).contains("RSA"));
        assert!(why(SigningKey::p256_raw(&[0; 32])).contains("P-256"));
        assert!(why(SigningKey::p256_raw(&[1; 31])).contains("P-256"));
        assert!(SigningKey::p256_raw(&[1; 32]).is_ok());
    }
}
