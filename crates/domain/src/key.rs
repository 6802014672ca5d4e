//! The public key of a device, and the check of signatures.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::invalid::Invalid;

mod form;

/// A P-256 public key: an uncompressed point on the curve. The private key never leaves the device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeviceKey([u8; 65]);

impl DeviceKey {
    /// Parses standard base64 with padding of a DER SubjectPublicKeyInfo, as devices send it.
    ///
    /// # Errors
    /// The text is not base64, not a P-256 key in that form, or its point is not on the curve. Each mistake has its own text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let der = form::decode(text)?;
        Self::from_point(form::point(&der)?).ok_or(form::OFF_THE_CURVE)
    }

    /// Parses the same key in a lenient form: base64 of either alphabet, with or without padding and line breaks, also within PEM.
    ///
    /// # Errors
    /// Those of [`DeviceKey::parse`].
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let plain = text.replace("\\r", "").replace("\\n", "");
        let pem = plain.split_once("-----BEGIN PUBLIC KEY-----");
        let body = pem.and_then(|(_, begun)| begun.split_once("-----END PUBLIC KEY-----"));
        let der = crate::base64::decode(body.map_or(plain.as_str(), |(body, _)| body));
        match der.filter(|der| der.starts_with(&form::SPKI_PREFIX)) {
            Some(der) => Self::parse(&STANDARD.encode(der)),
            None => Self::parse(text),
        }
    }

    /// Creates a key from the 65 bytes of an uncompressed point; `None` if the point is not on the curve.
    pub fn from_point(point: &[u8]) -> Option<Self> {
        let bytes: [u8; 65] = point.try_into().ok()?;
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).ok()?;
        Some(Self(bytes))
    }

    /// Restores a key from the bytes of [`DeviceKey::as_point`], without a check.
    pub const fn from_stored(point: [u8; 65]) -> Self {
        Self(point)
    }

    /// The uncompressed point.
    pub const fn as_point(&self) -> &[u8; 65] {
        &self.0
    }

    /// Standard base64 of the DER SubjectPublicKeyInfo, as devices send it.
    pub fn to_text(self) -> String {
        STANDARD.encode([form::SPKI_PREFIX.as_slice(), &self.0].concat())
    }

    /// Whether `signature` is this key's over `message`, in the form of a JWS: r and s, 64 bytes.
    pub fn signed_raw(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.0).verify(message, signature).is_ok()
    }

    /// Whether `signature` is this key's over `message`, in DER.
    pub fn signed_der(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==";

    #[test]
    fn a_key_is_printed_as_it_was_sent() {
        let key = DeviceKey::parse(KEY).unwrap();
        assert_eq!((KEY.len(), key.to_text().as_str()), (124, KEY));
        assert_eq!(DeviceKey::from_point(key.as_point()), Some(key));
        assert_eq!(DeviceKey::from_stored(*key.as_point()), key);
    }

    #[test]
    fn only_a_point_on_the_curve_is_a_key() {
        let point = *DeviceKey::parse(KEY).unwrap().as_point();
        for (at, name) in [(0, "another form"), (1, "x is off"), (64, "y is off")] {
            for bit in [1, 2, 4] {
                let mut wrong = point;
                wrong[at] ^= bit;
                assert_eq!(DeviceKey::from_point(&wrong), None, "{name}: {bit}");
            }
        }
        let (compressed, at_infinity) = (&point[..33], [0; 1]);
        assert_eq!(DeviceKey::from_point(compressed), None);
        assert_eq!(DeviceKey::from_point(&at_infinity), None);
        assert_eq!(DeviceKey::from_point(&[0; 65]), None);
    }

    #[test]
    fn other_encodings_are_refused() {
        let der = STANDARD.decode(KEY).unwrap();
        let mut another_curve = der.clone();
        another_curve[22] = 0x06;
        let longer = [der.as_slice(), &[0]].concat();
        for wrong in [&der[26..], &der[..90], &another_curve, &longer] {
            assert!(DeviceKey::parse(&STANDARD.encode(wrong)).is_err());
        }
        for wrong in ["", "MFkw", KEY.trim_end_matches('='), &format!("{KEY}\n")] {
            assert!(DeviceKey::parse(wrong).is_err(), "{wrong:?}");
        }
        for wrong in ["", "MFkw", &KEY[1..], "-----BEGIN PUBLIC KEY-----", &format!("{KEY}{KEY}")] {
            assert!(DeviceKey::read(wrong).is_err(), "{wrong:?}");
        }
    }
}
