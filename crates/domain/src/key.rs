//! A device's public key, and signatures made with its other half.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::invalid::Invalid;

mod form;

/// What stands before the point in the DER SubjectPublicKeyInfo of every P-256 key (RFC 5480).
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A P-256 public key: an uncompressed point that lies on the curve. The private half never leaves the device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeviceKey([u8; 65]);

impl DeviceKey {
    /// Reads base64 (standard, padded) of a DER SubjectPublicKeyInfo, as devices send it.
    ///
    /// # Errors
    /// Not base64, not a P-256 key in that form, or a point off the curve: each mistake has a sentence of its own.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let der = form::decode(text)?;
        Self::from_point(form::point(&der)?).ok_or(form::OFF_THE_CURVE)
    }

    /// Reads what [`DeviceKey::parse`] reads however it is written: base64 of either alphabet, padded or not, wrapped, and within
    /// the lines of PEM.
    ///
    /// # Errors
    /// As [`DeviceKey::parse`].
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let plain = text.replace("\\r", "").replace("\\n", "");
        let pem = plain.split_once("-----BEGIN PUBLIC KEY-----");
        let body = pem.and_then(|(_, begun)| begun.split_once("-----END PUBLIC KEY-----"));
        let der = crate::base64::decode(body.map_or(plain.as_str(), |(body, _)| body));
        match der.filter(|der| der.starts_with(&SPKI_PREFIX)) {
            Some(der) => Self::parse(&STANDARD.encode(der)),
            None => Self::parse(text),
        }
    }

    /// From the 65 bytes of an uncompressed point; `None` if they are no point of the curve.
    pub fn from_point(point: &[u8]) -> Option<Self> {
        let bytes: [u8; 65] = point.try_into().ok()?;
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).ok()?;
        Some(Self(bytes))
    }

    /// From bytes that [`DeviceKey::as_point`] gave: not checked again.
    pub const fn from_stored(point: [u8; 65]) -> Self {
        Self(point)
    }

    /// The uncompressed point.
    pub const fn as_point(&self) -> &[u8; 65] {
        &self.0
    }

    /// As it was sent: base64 of the DER SubjectPublicKeyInfo.
    pub fn to_text(self) -> String {
        STANDARD.encode([SPKI_PREFIX.as_slice(), &self.0].concat())
    }

    /// Whether `signature`, raw r‖s of 64 bytes as in a JWS, is this key's over `message`.
    pub fn signed_raw(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.0).verify(message, signature).is_ok()
    }

    /// Whether `signature`, in DER, is this key's over `message`.
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
    fn a_key_is_read_and_shown_as_it_was_sent() {
        let key = DeviceKey::parse(KEY).unwrap();
        assert_eq!((KEY.len(), key.to_text().as_str()), (124, KEY));
        assert_eq!(DeviceKey::from_point(key.as_point()), Some(key));
        assert_eq!(DeviceKey::from_stored(*key.as_point()), key);
    }

    #[test]
    fn only_a_point_of_the_curve_is_a_key() {
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
    fn another_wrapping_is_refused() {
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
