//! The status of a factor.

use std::time::Duration;

/// How long a factor may stay unverified. After that it counts as deleted, and is removed.
pub const UNVERIFIED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether a device has proved that it holds its private key, or a person has presented a right code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactorStatus {
    /// Not proved: it receives no challenges.
    Unverified,
    /// Proved.
    Verified,
}

impl FactorStatus {
    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Verified => "verified",
        }
    }
}
