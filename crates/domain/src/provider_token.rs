//! The token by which a push service knows a key, as all servers of a database share it.

use crate::secret::Sealed;
use crate::time::Instant;

/// Which key of Apple's, without saying it: the first half of a SHA-256 over its public point and its two ids.
pub type KeyPrint = [u8; 16];

/// A provider token, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderToken {
    /// The key that signed it.
    pub key: KeyPrint,
    /// From 1; one more for each token that replaces another.
    pub version: i64,
    /// The token.
    pub token: Sealed,
    /// When it was signed, which the token says too.
    pub signed_at: Instant,
    /// When the push service last found a token too old before its time, so that one was signed early.
    pub forced_at: Option<Instant>,
}
