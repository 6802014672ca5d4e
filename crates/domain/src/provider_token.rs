//! The token that authenticates a key to Apple's push service. All servers of a database share it.

use crate::secret::Sealed;
use crate::time::Instant;

/// Identifies a key without revealing it: the first half of SHA-256 over its public point, its key id and its team id.
pub type KeyFingerprint = [u8; 16];

/// A provider token, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderToken {
    /// The key that signed it.
    pub key: KeyFingerprint,
    /// 1 for the first token of a key, and one more for each token that replaces another.
    pub version: i64,
    /// The text of the token, sealed.
    pub token: Sealed,
    /// When it was signed, as the token says.
    pub signed_at: Instant,
    /// When a token was last signed early, because the push service found the one before too old.
    pub forced_at: Option<Instant>,
}
