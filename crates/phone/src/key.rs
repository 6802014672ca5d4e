//! The device's key: made here, kept here, and only ever used to sign.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;

/// A device's P-256 key pair.
///
/// It is held twice, because the protocol wants both encodings of an ECDSA signature and the library
/// fixes the encoding when a key is read.
pub struct DeviceKey {
    raw: EcdsaKeyPair,
    der: EcdsaKeyPair,
    pkcs8: Vec<u8>,
}

impl DeviceKey {
    /// Makes a new key from the operating system's randomness.
    pub fn generate() -> Result<Self, Error> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| Error::Key("cannot be made"))?;
        let document = pair.to_pkcs8v1().map_err(|_| Error::Key("cannot be encoded"))?;
        Self::from_pkcs8_der(document.as_ref())
    }

    /// Reads a key from PKCS#8 DER.
    pub fn from_pkcs8_der(pkcs8: &[u8]) -> Result<Self, Error> {
        let read = |encoding| {
            EcdsaKeyPair::from_pkcs8(encoding, pkcs8)
                .map_err(|_| Error::Key("is not a PKCS#8 key on P-256"))
        };
        Ok(Self {
            raw: read(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
            der: read(&ECDSA_P256_SHA256_ASN1_SIGNING)?,
            pkcs8: pkcs8.to_vec(),
        })
    }

    /// Reads a key from the base64 text that [`to_pkcs8_base64`](Self::to_pkcs8_base64) writes.
    pub fn from_pkcs8_base64(text: &str) -> Result<Self, Error> {
        let pkcs8 = STANDARD.decode(text).map_err(|_| Error::Key("is not base64"))?;
        Self::from_pkcs8_der(&pkcs8)
    }

    /// The private key as PKCS#8 DER. Whoever has it is the device.
    pub fn to_pkcs8_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The private key as base64 of PKCS#8 DER.
    pub fn to_pkcs8_base64(&self) -> String {
        STANDARD.encode(&self.pkcs8)
    }

    /// The public key as `Binding.PublicKey` wants it: base64 of DER SubjectPublicKeyInfo, 124 characters.
    pub fn public_key_base64(&self) -> Result<String, Error> {
        let spki: PublicKeyX509Der<'_> =
            self.raw.public_key().as_der().map_err(|_| Error::Key("has no public half"))?;
        Ok(STANDARD.encode(spki.as_ref()))
    }

    /// Signs as a JWS does: r and s, 32 bytes each.
    pub fn sign_raw(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        sign(&self.raw, message)
    }

    /// Signs as the verification of a factor does: base64 of a DER signature.
    pub fn sign_der_base64(&self, message: &[u8]) -> Result<String, Error> {
        Ok(STANDARD.encode(sign(&self.der, message)?))
    }
}

fn sign(pair: &EcdsaKeyPair, message: &[u8]) -> Result<Vec<u8>, Error> {
    let signature =
        pair.sign(&SystemRandom::new(), message).map_err(|_| Error::Key("cannot sign"))?;
    Ok(signature.as_ref().to_vec())
}

/// Shows that there is a key, and never the key.
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
    fn the_known_key_has_the_known_public_half() {
        assert_eq!(vectors::key().public_key_base64().unwrap(), vectors::PUBLIC_KEY);
    }

    #[test]
    fn a_public_key_has_the_length_and_head_of_p256() {
        let public = DeviceKey::generate().unwrap().public_key_base64().unwrap();
        assert_eq!(public.len(), 124);
        assert!(public.starts_with("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"));
    }

    #[test]
    fn a_key_survives_being_written_down() {
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
    fn what_is_not_a_key_is_refused() {
        assert!(matches!(DeviceKey::from_pkcs8_base64("not base64!"), Err(Error::Key(_))));
        assert!(matches!(DeviceKey::from_pkcs8_der(b"0"), Err(Error::Key(_))));
    }
}
