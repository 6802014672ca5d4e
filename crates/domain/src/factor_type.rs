//! The types of factors.

use std::str::FromStr;

use crate::invalid::Invalid;

/// The type of a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactorType {
    /// A key on a device, which signs.
    Push,
    /// A secret that is shared with an authenticator app, which makes codes.
    Totp,
}

impl FactorType {
    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Totp => "totp",
        }
    }

    /// The first byte of the SIDs of this type, as Twilio has it.
    pub const fn lead(self) -> u8 {
        match self {
            Self::Push => 0x03,
            Self::Totp => 0x02,
        }
    }
}

impl FromStr for FactorType {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "push" => Ok(Self::Push),
            "totp" => Ok(Self::Totp),
            _ => Err(Invalid::because("must be push or totp")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_words_are_parsed() {
        for kind in [FactorType::Push, FactorType::Totp] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for wrong in ["", "Push", "push ", "passkeys", "sms"] {
            assert!(wrong.parse::<FactorType>().is_err(), "{wrong}");
        }
    }
}
