//! Hashes of entries and nodes (RFC 6962 §2.1).

use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A SHA-256 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; Hash::BYTES]);

impl Hash {
    /// The size of a hash.
    pub const BYTES: usize = 32;

    /// The hash of an entry.
    pub fn of_leaf(entry: &[u8]) -> Self {
        Self::of(&[&[0], entry])
    }

    /// The hash of a node.
    pub fn of_node(left: Self, right: Self) -> Self {
        Self::of(&[&[1], &left.0, &right.0])
    }

    /// The root of the empty tree.
    pub fn empty() -> Self {
        Self::take(digest(&SHA256, b"").as_ref())
    }

    fn of(parts: &[&[u8]]) -> Self {
        let mut all = Context::new(&SHA256);
        parts.iter().for_each(|part| all.update(part));
        Self::take(all.finish().as_ref())
    }

    fn take(bytes: &[u8]) -> Self {
        let mut hash = [0; Self::BYTES];
        hash.copy_from_slice(bytes);
        Self(hash)
    }

    /// The hash in base64, as checkpoints and proofs write it.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads a hash in base64.
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

/// The root over some hashes: those of a subtree's children, of which only the last may be incomplete.
pub(crate) fn root_over(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::empty(),
        [one] => *one,
        more => {
            let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
            Hash::of_node(root_over(left), root_over(right))
        }
    }
}

/// The largest power of two below `size`, which is at least 2.
pub(crate) const fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_splits_at_the_largest_power_of_two_below_its_size() {
        let splits: Vec<_> = [2, 3, 4, 5, 8, 9, 256, 257].map(split).into();
        assert_eq!(splits, [1, 2, 2, 4, 4, 8, 128, 256]);
        assert_eq!(split(u64::MAX), 1 << 63);
    }

    #[test]
    fn a_hash_reads_back_from_base64_and_nothing_else_does() {
        let hash = Hash::of_leaf(b"entry");
        assert_eq!(Hash::from_base64(&hash.to_base64()), Some(hash));
        for wrong in ["", "AAAA", "no base64"] {
            assert_eq!(Hash::from_base64(wrong), None);
        }
    }
}
