//! Parses and verifies compact JWS (RFC 7515). The code is not shared with the server, so that an error in one is found by the
//! other.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// A signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// ECDSA on P-256; the key is an uncompressed point.
    Es256,
    /// RSA; the key is DER.
    Rs256,
}

impl Algorithm {
    const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    fn verifier(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Es256 => &ECDSA_P256_SHA256_FIXED,
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

/// A parsed token whose signature is not verified yet.
pub(crate) struct Jws<'a> {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Parses a token; `None` if it is malformed.
    pub(crate) fn parse(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part: &str| -> Option<Map<String, Value>> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
        };
        Some(Self {
            header: object(header)?,
            claims: object(claims)?,
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// Whether the token names this algorithm and is signed by this key.
    pub(crate) fn is_signed_by(&self, algorithm: Algorithm, key: &[u8]) -> bool {
        self.header_text("alg") == Some(algorithm.name())
            && UnparsedPublicKey::new(algorithm.verifier(), key)
                .verify(self.signed.as_bytes(), &self.signature)
                .is_ok()
    }

    pub(crate) fn header_text(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    pub(crate) fn seconds(&self, name: &str) -> Option<i64> {
        self.claims.get(name)?.as_i64()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::KeyPair as _;
    use serde_json::json;

    use super::*;
    use crate::tests::client::SigningKey;

    #[test]
    fn a_token_verifies_only_with_its_key_and_algorithm() {
        let key = SigningKey::generate();
        let token = key.sign(&json!({"alg": "ES256"}), &json!({"iat": 5, "iss": "me"}));
        let jws = Jws::parse(&token).unwrap();
        assert_eq!((jws.seconds("iat"), jws.text("iss")), (Some(5), Some("me")));
        assert!(jws.is_signed_by(Algorithm::Es256, key.pair.public_key().as_ref()));
        assert!(!jws.is_signed_by(Algorithm::Rs256, key.pair.public_key().as_ref()));
        let other = SigningKey::generate();
        assert!(!jws.is_signed_by(Algorithm::Es256, other.pair.public_key().as_ref()));

        let none = key.sign(&json!({"alg": "none"}), &json!({}));
        let none = Jws::parse(&none).unwrap();
        assert!(!none.is_signed_by(Algorithm::Es256, key.pair.public_key().as_ref()));
    }

    #[test]
    fn malformed_tokens_are_rejected() {
        for text in ["", "a.b", "a.b.c", "e30.e30.!", "e30.W10.AA"] {
            assert!(Jws::parse(text).is_none(), "{text}");
        }
    }
}
