//! Whether a factor has proved itself, and how long it may wait to.

use std::time::Duration;

/// How long a factor may stay unverified before it is removed (wire reference §4.1).
pub const UNVERIFIED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether the device has shown that it holds the private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactorStatus {
    /// Not yet: it receives no challenges.
    Unverified,
    /// It has.
    Verified,
}

impl FactorStatus {
    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Verified => "verified",
        }
    }
}
