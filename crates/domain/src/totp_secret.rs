//! The shared secret of a TOTP factor, in Base32 (RFC 4648 §6).

use std::sync::LazyLock;

use data_encoding::{BASE32_NOPAD, Encoding};
use zeroize::Zeroizing;

use crate::invalid::Invalid;
use crate::secret::Secret;

/// The length of a new secret, in bytes (RFC 4226 §4, requirement 6).
pub const SECRET_BYTES: usize = 20;
/// The length of the shortest accepted secret, in bytes (RFC 4226 §4, requirement 6).
const MIN_SECRET_BYTES: usize = 16;
/// The length of the longest accepted secret, in characters.
const MAX_SECRET: usize = 256;

/// Base32 without padding. Bits after the last whole byte are ignored, as authenticator apps do.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = BASE32_NOPAD.specification();
    specification.check_trailing_bits = false;
    specification.encoding().expect("a valid alphabet without the check of trailing bits is valid")
});

/// Parses a shared secret in Base32: in upper or lower case, with or without padding, and in groups between spaces or dashes.
/// Returns it in upper case, without padding and separators.
///
/// # Errors
/// The text is not Base32, holds fewer than 128 bits, or has more than 256 characters.
pub fn parse_secret(text: &str) -> Result<Secret, Invalid> {
    let is_digit = |c: &char| !c.is_whitespace() && *c != '-';
    let mut digits: String = text.chars().filter(is_digit).take(MAX_SECRET + 1).collect();
    digits.make_ascii_uppercase();
    let digits = Zeroizing::new(digits);
    if digits.len() > MAX_SECRET {
        return Err(Invalid::because("must have at most 256 characters"));
    }
    let digits = Secret::new(digits.trim_end_matches('='));
    let bytes = decode(&digits).ok_or(Invalid::because("must be Base32"))?;
    if bytes.len() < MIN_SECRET_BYTES {
        return Err(Invalid::because(
            "must have at least 128 bits, which are 26 characters of Base32",
        ));
    }
    Ok(digits)
}

/// Encodes a new secret in Base32.
pub fn encode_secret(bytes: &[u8; SECRET_BYTES]) -> Secret {
    Secret::new(BASE32.encode(bytes))
}

/// Decodes a secret; `None` if it is not Base32.
pub(crate) fn decode(secret: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    BASE32.decode(secret.expose().as_bytes()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_base32_and_ours_reads_back() {
        let ours = encode_secret(b"12345678901234567890");
        assert_eq!(ours.expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(decode(&ours).unwrap().as_slice(), b"12345678901234567890");
        for wrong in ["", "====", "1", "A", "ABC", "GEZDGNB!", "GEZ=GNBV", "GÉZDGNBV"] {
            assert!(parse_secret(wrong).is_err(), "{wrong}");
        }
        assert!(parse_secret(&"A".repeat(257)).is_err());
    }

    #[test]
    fn bits_after_the_last_byte_are_ignored() {
        let [zero, one] = ["GEZDGNBVGY3TQOJQGEZDGNBVGA", "GEZDGNBVGY3TQOJQGEZDGNBVGB"]
            .map(|text| decode(&parse_secret(text).unwrap()).unwrap());
        assert_eq!((zero.len(), zero), (16, one));
    }
}
