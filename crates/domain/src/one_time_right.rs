//! Rights that count once, such as that of a client to the tokens of a sign-in.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

/// How long a right that was used is remembered after its end: longer than tokens live, and longer than
/// the clocks of two nodes differ.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(10 * 60);

/// The id of a right that counts once: the first half of SHA-256 over its kind and a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RightId(pub [u8; 16]);

impl RightId {
    /// The id of the right of this kind with this text.
    pub fn of(kind: &str, text: &str) -> Self {
        let sum = digest(&SHA256, format!("{kind}\n{text}").as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&sum.as_ref()[..16]);
        Self(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_one_by_its_kind_and_its_text() {
        assert_eq!(RightId::of("code", "x"), RightId::of("code", "x"));
        assert_ne!(RightId::of("code", "x"), RightId::of("code", "y"));
        assert_ne!(RightId::of("code", "x"), RightId::of("assertion", "x"));
    }
}
