//! Private keys that sign JWTs: ES256 and RS256 (RFC 7515, RFC 7518 section 3). A key is parsed once, which JWT libraries over aws-lc-rs
//! do not offer.

use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SecureRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::invalid::Invalid;

/// How a JWT is signed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum JwsAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
}

impl JwsAlgorithm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Rs256, Self::Es256];

    /// The word in headers, in requests and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

impl FromStr for JwsAlgorithm {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or(Invalid::because("must be RS256 or ES256"))
    }
}

/// A parsed private key, without `Debug`.
#[derive(Clone)]
pub enum JwsKey {
    /// P-256.
    Es256(Arc<EcdsaKeyPair>),
    /// RSA.
    Rs256(Arc<RsaKeyPair>),
}

/// The cryptographic library cannot sign: it has no memory or randomness left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature could not be made")]
pub struct CannotSign;

impl JwsKey {
    /// Parses a key from PKCS#8.
    ///
    /// # Errors
    /// The bytes are no such key.
    pub fn from_pkcs8(algorithm: JwsAlgorithm, der: &[u8]) -> Result<Self, Invalid> {
        match algorithm {
            JwsAlgorithm::Es256 => {
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
                let why = Invalid::because("must be a private key on the curve P-256");
                Ok(Self::Es256(Arc::new(key.map_err(|_| why)?)))
            }
            JwsAlgorithm::Rs256 => {
                let why = Invalid::because("must be an RSA private key of 2,048 bits or more");
                Ok(Self::Rs256(Arc::new(RsaKeyPair::from_pkcs8(der).map_err(|_| why)?)))
            }
        }
    }

    /// The algorithm that it signs by.
    pub const fn algorithm(&self) -> JwsAlgorithm {
        match self {
            Self::Es256(_) => JwsAlgorithm::Es256,
            Self::Rs256(_) => JwsAlgorithm::Rs256,
        }
    }

    /// The public key: an uncompressed point of 65 bytes, or an `RSAPublicKey` of PKCS#1 in DER.
    pub fn public_key(&self) -> &[u8] {
        match self {
            Self::Es256(key) => key.public_key().as_ref(),
            Self::Rs256(key) => key.public_key().as_ref(),
        }
    }

    /// The required members of the public key's JWK (RFC 7518 section 6), in the form that its thumbprint is made of; `None` for RSA
    /// of another size than 2,048 bits.
    fn required_members(&self) -> Option<String> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(_) => {
                let (x, y) = self.public_key().get(1..)?.split_at_checked(32)?;
                let (x, y) = (text(x), text(y));
                Some(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
            }
            Self::Rs256(_) => {
                // SEQUENCE { INTEGER of 257 bytes, INTEGER }: DER has one form for a modulus of 2,048 bits.
                let begin: &[u8] = &[0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00];
                let rest = self.public_key().strip_prefix(begin)?;
                let (modulus, exponent) = rest.split_at_checked(256)?;
                let exponent: &[u8] = exponent.strip_prefix(&[0x02, 0x03])?;
                let (n, e) = (text(modulus), text(exponent));
                Some(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#))
            }
        }
    }

    /// The public key as a JWK for signatures. Its `kid` is the thumbprint of the key (RFC 7638). `None` for RSA of another size than
    /// 2,048 bits.
    pub fn public_jwk(&self) -> Option<Value> {
        let members = self.required_members()?;
        let mut jwk: Value = serde_json::from_str(&members).ok()?;
        let thumbprint = digest(&SHA256, members.as_bytes());
        jwk["kid"] = URL_SAFE_NO_PAD.encode(thumbprint.as_ref()).into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm().as_str().into();
        Some(jwk)
    }

    /// A compact JWS over `claims`, with the members of `header` and `alg`.
    ///
    /// # Errors
    /// [`CannotSign`].
    pub fn sign(
        &self,
        mut header: Value,
        claims: &Value,
        random: &dyn SecureRandom,
    ) -> Result<String, CannotSign> {
        header["alg"] = self.algorithm().as_str().into();
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = match self {
            Self::Es256(key) => {
                let signature = key.sign(random, signed.as_bytes()).map_err(|_| CannotSign)?;
                signature.as_ref().to_vec()
            }
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, random, signed.as_bytes(), &mut signature)
                    .map_err(|_| CannotSign)?;
                signature
            }
        };
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p256() -> JwsKey {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        JwsKey::Es256(Arc::new(key))
    }

    #[test]
    fn the_kid_is_the_thumbprint_of_the_required_members() {
        let jwk = p256().public_jwk().unwrap();
        let canonical =
            format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
        let sum = digest(&SHA256, canonical.as_bytes());
        assert_eq!(jwk["kid"], URL_SAFE_NO_PAD.encode(sum.as_ref()));
        assert_eq!((&jwk["alg"], &jwk["use"]), (&"ES256".into(), &"sig".into()));
    }

    #[test]
    fn an_rsa_key_is_published_by_its_modulus_and_exponent() {
        let key = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let jwk = JwsKey::Rs256(Arc::new(key)).public_jwk().unwrap();
        let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
        assert_eq!((modulus.len(), modulus[0] >> 7), (256, 1));
        assert_eq!((&jwk["e"], &jwk["kty"]), (&"AQAB".into(), &"RSA".into()));
    }

    #[test]
    fn a_word_names_an_algorithm() {
        for algorithm in JwsAlgorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        assert!("none".parse::<JwsAlgorithm>().is_err());
        assert!(JwsKey::from_pkcs8(JwsAlgorithm::Es256, b"none").is_err());
    }
}
