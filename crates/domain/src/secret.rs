//! Secrets: they print as dots, compare in constant time, and are wiped when dropped.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret in the clear.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. The caller makes sure that it reaches no log, error or response.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

/// A secret as it is stored: encrypted under the master key, and bound to its row and column.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Wraps sealed bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The sealed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// HMAC-SHA-256 of a secret under a key of this installation. It recognises the secret and does not reveal it.
#[derive(Clone, Copy)]
pub struct SecretHash(pub [u8; 32]);

impl PartialEq for SecretHash {
    /// Compares in constant time.
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_secret_is_printed() {
        assert_eq!(format!("{:?}", Secret::new("owl")), "•••");
        assert_eq!(format!("{:?}", SecretHash([1; 32])), "•••");
        assert_eq!(format!("{:?}", Sealed::from_bytes(vec![1, 2])), "Sealed(2 bytes)");
    }

    #[test]
    fn hashes_differ_by_any_byte() {
        let mut other = [1; 32];
        other[31] = 2;
        assert_eq!(SecretHash([1; 32]), SecretHash([1; 32]));
        assert_ne!(SecretHash([1; 32]), SecretHash(other));
    }
}
