//! The keys that seal what a database keeps secret, as they are stored: wrapped for those who may open them.

use crate::secret::Sealed;
use crate::time::Instant;

/// The number of a sealing key: the first byte of everything that it sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealingKeyId(pub u8);

impl SealingKeyId {
    /// The first master key of an installation, which sealed everything until the first rotation.
    pub const FIRST: Self = Self(1);

    /// The id of the next key; `None` after the last one.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl std::fmt::Display for SealingKeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a key that opens wrapped keys: a master key, or an earlier sealing key. A function of that key that reveals nothing about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHolder(pub [u8; 16]);

/// A sealing key, wrapped for one holder. Each key is stored once for each holder that can open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The sealing key.
    pub id: SealingKeyId,
    /// Who can open it.
    pub holder: KeyHolder,
    /// The key, encrypted under one derived from the holder.
    pub wrapped: Sealed,
    /// When the key was made.
    pub created_at: Instant,
    /// When the rotation that replaced it was finished. From then on it only opens stored cells.
    pub retired_at: Option<Instant>,
}
