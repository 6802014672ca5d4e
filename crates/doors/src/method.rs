//! The ways in which people sign in.

use countersign_domain::challenge::Challenge;
use countersign_domain::presence::PresenceProof;
use serde::{Deserialize, Serialize};

/// The way in which a person signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    /// A device approved.
    Push,
    /// A device approved, on which the person entered the number that the client or the page shows.
    PushNumber,
    /// A code of an authenticator app.
    Code,
}

impl Method {
    /// The way of an approved challenge.
    pub(crate) fn of(challenge: &Challenge) -> Self {
        match challenge.presence.as_ref().map(|presence| &presence.proof) {
            Some(PresenceProof::Number { .. } | PresenceProof::Pick { .. }) => Self::PushNumber,
            Some(PresenceProof::Code { .. }) | None => Self::Push,
        }
    }
}
