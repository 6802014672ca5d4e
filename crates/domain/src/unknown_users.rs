//! The treatment of users of an integration who have no device.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;

/// The treatment of a user who has no device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownUsers {
    /// They are denied.
    #[default]
    Deny,
    /// They are shown where to enrol a device, if the protocol can.
    Enrol,
}

impl UnknownUsers {
    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Enrol => "enrol",
        }
    }
}

impl FromStr for UnknownUsers {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "deny" => Ok(Self::Deny),
            "enrol" => Ok(Self::Enrol),
            _ => Err(Invalid::because("must be deny or enrol")),
        }
    }
}
