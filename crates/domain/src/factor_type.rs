//! The types of factors: by what a factor proves itself.

use std::str::FromStr;

use crate::invalid::Invalid;

/// By what a factor proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactorType {
    /// A key on a device.
    Push,
    /// A shared secret and the time.
    Totp,
}

impl FactorType {
    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Totp => "totp",
        }
    }

    /// The first byte of SIDs of this type (wire reference §1.3).
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
    fn types_are_known_by_their_exact_words() {
        for kind in [FactorType::Push, FactorType::Totp] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for wrong in ["", "Push", "push ", "passkeys", "sms"] {
            assert!(wrong.parse::<FactorType>().is_err(), "{wrong}");
        }
    }
}
