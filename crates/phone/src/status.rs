//! Where a challenge stands, and the person's answer.

use std::fmt;

/// Where a challenge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeStatus {
    /// Waiting for an answer.
    Pending,
    /// Nobody answered in time.
    Expired,
    /// Answered yes.
    Approved,
    /// Answered no.
    Denied,
}

/// The person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Approved,
    /// No.
    Denied,
}

impl ChallengeStatus {
    /// The word on the wire.
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
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        self.status().as_str()
    }

    /// Where a challenge stands after this answer.
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
