//! The device's private key.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::PhoneError;

/// A device's P-256 key pair.
///
/// Stored twice, because the protocol uses both encodings of an ECDSA signature and the library fixes the encoding when it
/// reads a key.
pub struct DeviceKey {
    raw: EcdsaKeyPair,
    der: EcdsaKeyPair,
    pkcs8: Vec<u8>,
}

impl DeviceKey {
    /// Generates a key with the operating system's randomness.
    pub fn generate() -> Result<Self, PhoneError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| PhoneError::Key("cannot be made"))?;
        let document = pair.to_pkcs8v1().map_err(|_| PhoneError::Key("cannot be encoded"))?;
        Self::from_pkcs8_der(document.as_ref())
    }

    /// Parses a key in PKCS#8 DER.
    pub fn from_pkcs8_der(pkcs8: &[u8]) -> Result<Self, PhoneError> {
        let read = |encoding| {
            EcdsaKeyPair::from_pkcs8(encoding, pkcs8)
                .map_err(|_| PhoneError::Key("is not a PKCS#8 key on P-256"))
        };
        Ok(Self {
            raw: read(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
            der: read(&ECDSA_P256_SHA256_ASN1_SIGNING)?,
            pkcs8: pkcs8.to_vec(),
        })
    }

    /// Parses a key in the base64 text of [`to_pkcs8_base64`](Self::to_pkcs8_base64).
    pub fn from_pkcs8_base64(text: &str) -> Result<Self, PhoneError> {
        let pkcs8 = STANDARD.decode(text).map_err(|_| PhoneError::Key("is not base64"))?;
        Self::from_pkcs8_der(&pkcs8)
    }

    /// The private key in PKCS#8 DER. Must be kept secret: it authenticates the device.
    pub fn to_pkcs8_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The private key in PKCS#8 DER, as base64.
    pub fn to_pkcs8_base64(&self) -> String {
        STANDARD.encode(&self.pkcs8)
    }

    /// The public key for `Binding.PublicKey`: base64 of DER SubjectPublicKeyInfo, 124 characters.
    pub fn public_key_base64(&self) -> Result<String, PhoneError> {
        let spki: PublicKeyX509Der<'_> =
            self.raw.public_key().as_der().map_err(|_| PhoneError::Key("has no public half"))?;
        Ok(STANDARD.encode(spki.as_ref()))
    }

    /// A signature for a JWS: r and s, 32 bytes each.
    pub fn sign_raw(&self, message: &[u8]) -> Result<Vec<u8>, PhoneError> {
        sign(&self.raw, message)
    }

    /// A signature for the verification of a factor: DER, as base64.
    pub fn sign_der_base64(&self, message: &[u8]) -> Result<String, PhoneError> {
        Ok(STANDARD.encode(sign(&self.der, message)?))
    }
}

fn sign(pair: &EcdsaKeyPair, message: &[u8]) -> Result<Vec<u8>, PhoneError> {
    let signature =
        pair.sign(&SystemRandom::new(), message).map_err(|_| PhoneError::Key("cannot sign"))?;
    Ok(signature.as_ref().to_vec())
}

/// Shows that there is a key, never the key.
impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey(P-256, ···)")
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED};

    use super::*;
    use crate::tests::vectors;

    #[test]
    fn the_known_key_has_the_known_public_key() {
        assert_eq!(vectors::key().public_key_base64().unwrap(), vectors::PUBLIC_KEY);
    }

    #[test]
    fn a_public_key_has_the_length_and_head_of_p256() {
        let public = DeviceKey::generate().unwrap().public_key_base64().unwrap();
        assert_eq!(public.len(), 124);
        assert!(public.starts_with("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"));
    }

    #[test]
    fn a_key_round_trips() {
        let key = DeviceKey::generate().unwrap();
        let again = DeviceKey::from_pkcs8_base64(&key.to_pkcs8_base64()).unwrap();
        assert_eq!(again.public_key_base64().unwrap(), key.public_key_base64().unwrap());
        let signature = again.sign_raw(b"message").unwrap();
        vectors::verify(
            &key.public_key_base64().unwrap(),
            &ECDSA_P256_SHA256_FIXED,
            b"message",
            &signature,
        )
        .unwrap();
    }

    #[test]
    fn both_encodings_of_a_signature_verify() {
        let key = vectors::key();
        let sid = vectors::FACTOR_SID.as_bytes();
        let raw = key.sign_raw(sid).unwrap();
        assert_eq!(raw.len(), 64);
        vectors::verify(vectors::PUBLIC_KEY, &ECDSA_P256_SHA256_FIXED, sid, &raw).unwrap();

        let ours = STANDARD.decode(key.sign_der_base64(sid).unwrap()).unwrap();
        let documented = STANDARD.decode(vectors::FACTOR_SIGNATURE).unwrap();
        for der in [ours, documented] {
            vectors::verify(vectors::PUBLIC_KEY, &ECDSA_P256_SHA256_ASN1, sid, &der).unwrap();
        }
    }

    #[test]
    fn debug_does_not_show_the_key() {
        let key = DeviceKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), "DeviceKey(P-256, ···)");
    }

    #[test]
    fn invalid_keys_are_rejected() {
        assert!(matches!(DeviceKey::from_pkcs8_base64("not base64!"), Err(PhoneError::Key(_))));
        assert!(matches!(DeviceKey::from_pkcs8_der(b"0"), Err(PhoneError::Key(_))));
    }
}
