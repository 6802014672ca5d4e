//! The settings of an integration that is a RADIUS client.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;

/// How a RADIUS client learns of the person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RadiusMode {
    /// Its request is answered when the person has answered.
    #[default]
    Wait,
    /// Its request is answered at once by a challenge, and it asks again.
    Challenge,
}

impl RadiusMode {
    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Challenge => "challenge",
        }
    }
}

impl FromStr for RadiusMode {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "wait" => Ok(Self::Wait),
            "challenge" => Ok(Self::Challenge),
            _ => Err(Invalid::because("must be wait or challenge")),
        }
    }
}

/// Whether a RADIUS request must carry a Message-Authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageAuthenticator {
    /// A request without one is not answered.
    #[default]
    Required,
    /// A request without one is answered: clients that were not updated since 2024 send none.
    Optional,
}

impl MessageAuthenticator {
    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
        }
    }
}

impl FromStr for MessageAuthenticator {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "required" => Ok(Self::Required),
            "optional" => Ok(Self::Optional),
            _ => Err(Invalid::because("must be required or optional")),
        }
    }
}
