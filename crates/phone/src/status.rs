//! The status of a challenge, and the person's verdict.

use std::fmt;

/// The status of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeStatus {
    /// Waiting for a verdict.
    Pending,
    /// Expired without a verdict.
    Expired,
    /// Approved by the person.
    Approved,
    /// Denied by the person.
    Denied,
}

/// The person's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Approved,
    /// No.
    Denied,
}

/// Why the person denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialReason {
    /// They did not cause the challenge.
    NotMe,
    /// They caused it, and do not want to go on.
    Cancelled,
}

impl DenialReason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotMe => "not_me",
            Self::Cancelled => "cancelled",
        }
    }
}

impl ChallengeStatus {
    /// The value in requests and responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }
}

impl Verdict {
    /// The value in requests and responses.
    pub fn as_str(self) -> &'static str {
        self.status().as_str()
    }

    /// The status of a challenge after this verdict.
    pub fn status(self) -> ChallengeStatus {
        match self {
            Self::Approved => ChallengeStatus::Approved,
            Self::Denied => ChallengeStatus::Denied,
        }
    }
}

impl fmt::Display for ChallengeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
