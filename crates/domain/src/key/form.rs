//! Parses the text of a public key, and names the mistake in a text that is not one.

use base64::DecodeError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::invalid::Invalid;

/// The bytes before the point in the DER SubjectPublicKeyInfo of every P-256 key (RFC 5480).
pub(super) const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The length of an uncompressed point.
const POINT: usize = 65;
/// The length of the whole key in DER.
const WHOLE: usize = SPKI_PREFIX.len() + POINT;

/// DER tags.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// The object identifiers of algorithms (RFC 5480, RFC 8017, RFC 8410), without tag and length.
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ALGORITHMS: [(&[u8], &str); 4] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01], "an RSA key"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a], "an RSA key"),
    (&[0x2b, 0x65, 0x70], "an Ed25519 key"),
    (&[0x2b, 0x65, 0x6e], "an X25519 key"),
];
/// The object identifiers of curves.
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const CURVES: [(&[u8], &str); 4] = [
    (&[0x2b, 0x81, 0x04, 0x00, 0x0a], "secp256k1"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x21], "P-224"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "P-384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "P-521"),
];

const PRIVATE: Invalid =
    Invalid::because("is a private key, which must never leave the device: send the public key");
const CERTIFICATE: Invalid =
    Invalid::because("is a certificate: send the public key alone, a DER SubjectPublicKeyInfo");
const COMPRESSED: Invalid = Invalid::because(
    "holds a compressed point: the point must be uncompressed, 65 bytes that begin with 0x04",
);
pub(super) const OFF_THE_CURVE: Invalid =
    Invalid::because("holds a point that does not lie on the curve P-256");
const NOT_THIS: Invalid = Invalid::because(
    "is DER, but no SubjectPublicKeyInfo of a P-256 key with an uncompressed point",
);

/// Decodes the base64.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, Invalid> {
    if text.is_empty() {
        return Err(Invalid::because("is empty: must be base64 of a DER SubjectPublicKeyInfo"));
    }
    if text.contains("-----") {
        return Err(pem(text));
    }
    if text.starts_with('{') {
        return Err(Invalid::because("is JSON: must be base64 of a DER SubjectPublicKeyInfo"));
    }
    if text.contains(char::is_whitespace) {
        return Err(Invalid::because(
            "holds a space or a line break: base64 has none, and in a form + must be sent as %2B",
        ));
    }
    if text.len().is_multiple_of(2) && text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err(Invalid::because("is hexadecimal: must be base64"));
    }
    STANDARD.decode(text).map_err(|error| match error {
        DecodeError::InvalidByte(_, b'-' | b'_') => Invalid::because(
            "is base64 of the alphabet for URLs: must be standard base64, with + and / and padding",
        ),
        DecodeError::InvalidByte(at, b'=') if at + 3 <= text.len() => misplaced(at),
        DecodeError::InvalidByte(_, b'=') | DecodeError::InvalidPadding => {
            Invalid::because("is base64 with wrong padding: its length must be a multiple of four")
        }
        DecodeError::InvalidByte(at, _) => misplaced(at),
        DecodeError::InvalidLength(_) | DecodeError::InvalidLastSymbol { .. } => {
            Invalid::because("is base64 that was cut short")
        }
    })
}

fn misplaced(at: usize) -> Invalid {
    Invalid(format!("is not base64: its character {} is not one of base64", at + 1).into())
}

fn pem(text: &str) -> Invalid {
    if text.contains("PRIVATE KEY") {
        PRIVATE
    } else if text.contains("CERTIFICATE") {
        CERTIFICATE
    } else {
        Invalid::because(
            "has PEM lines (-----BEGIN …): send only the base64 between them, without line breaks",
        )
    }
}

/// The point in the DER of a key. The caller checks whether it is on the curve.
pub(super) fn point(der: &[u8]) -> Result<&[u8], Invalid> {
    match der.strip_prefix(&SPKI_PREFIX) {
        Some(point) if point.len() == POINT => Ok(point),
        Some(_) => {
            Err(Invalid(format!("must have {WHOLE} bytes of DER, has {}", der.len()).into()))
        }
        None => Err(other(der)),
    }
}

/// Names the content of bytes that are not a P-256 key.
fn other(der: &[u8]) -> Invalid {
    match (der.first(), der.len()) {
        (Some(0x04), POINT) => {
            return Invalid::because(
                "is a bare point: it must stand in a DER SubjectPublicKeyInfo (RFC 5480)",
            );
        }
        (Some(0x02 | 0x03), 33) => return COMPRESSED,
        (Some(&SEQUENCE), _) => {}
        _ => {
            return Invalid::because(
                "is not DER: a SubjectPublicKeyInfo begins with the byte 0x30",
            );
        }
    }
    let Some((_, content, after)) = element(der) else {
        return Invalid(format!("is DER that was cut short, at {} bytes", der.len()).into());
    };
    if !after.is_empty() {
        return Invalid(format!("has {} bytes after its end", after.len()).into());
    }
    match element(content) {
        // A private key begins with its version (RFC 5208, RFC 5915), a PKCS#1 RSA key with its modulus.
        Some((INTEGER, [0 | 1], _)) => PRIVATE,
        Some((INTEGER, ..)) => algorithm(ALGORITHMS[0].0),
        Some((SEQUENCE, first, rest)) => match element(first) {
            Some((OID, EC, parameters)) => curve(parameters, rest),
            Some((OID, other, _)) => algorithm(other),
            _ => CERTIFICATE,
        },
        _ => NOT_THIS,
    }
}

fn algorithm(oid: &[u8]) -> Invalid {
    let known = ALGORITHMS.iter().find(|(known, _)| *known == oid);
    let name = known.map_or("no key on a curve", |(_, name)| name);
    Invalid(format!("is {name}: must be a P-256 key").into())
}

/// Names the mistake in an EC key, from the parameters of its algorithm and from the bytes of its point.
fn curve(parameters: &[u8], rest: &[u8]) -> Invalid {
    match (element(parameters), element(rest)) {
        (Some((OID, P256, _)), Some((BIT_STRING, [0, 0x02 | 0x03, ..], _))) => COMPRESSED,
        (Some((OID, P256, _)), _) => NOT_THIS,
        (Some((OID, oid, _)), _) => {
            let known = CURVES.iter().find(|(known, _)| *known == oid);
            let name = known.map_or("another curve", |(_, name)| name);
            Invalid(format!("is a key on {name}: must be on P-256 (prime256v1)").into())
        }
        _ => Invalid::because("does not name its curve: must be on P-256 (prime256v1)"),
    }
}

/// The first DER element: its tag, its content, and the bytes after it. `None` if it is cut short, or 64 KiB or longer.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, head, length) = match *der {
        [tag, length @ ..=0x7f, ..] => (tag, 2, usize::from(length)),
        [tag, 0x81, length, ..] => (tag, 3, usize::from(length)),
        [tag, 0x82, high, low, ..] => (tag, 4, usize::from(u16::from_be_bytes([high, low]))),
        _ => return None,
    };
    let (content, after) = der[head..].split_at_checked(length)?;
    Some((tag, content, after))
}

#[cfg(test)]
mod tests;
