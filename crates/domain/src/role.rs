//! The roles of operators at the console.

use std::fmt;
use std::str::FromStr;

use crate::invalid::Invalid;

const FORM: Invalid = Invalid::because("must be read, operate or admin");

/// The role of an operator. Each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees everything of the account, and changes nothing.
    Read,
    /// Does the daily work: tests devices and credentials, enrols and pauses people, resends calls.
    Operate,
    /// Changes what the account consists of: services, credentials, webhooks, keys, sessions of others.
    Admin,
}

impl Role {
    /// All roles, from the one that may least.
    pub const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Admin];

    /// The word of the role.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// Whether this role may do what needs `needed`.
    pub fn covers(self, needed: Self) -> bool {
        self >= needed
    }
}

impl FromStr for Role {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(FORM)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_covers_itself_and_those_before_it() {
        for (number, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role.to_string().parse(), Ok(role));
            for (other, needed) in Role::ALL.into_iter().enumerate() {
                assert_eq!(role.covers(needed), other <= number, "{role} {needed}");
            }
        }
        assert_eq!("Admin".parse::<Role>(), Err(FORM));
    }
}
