//! Operators: the persons who use the console of an account.

use std::fmt;

use crate::invalid::Invalid;
use crate::role::Role;
use crate::sid::{AccountSid, ApiKeySid, OperatorSid};
use crate::text::bounded;
use crate::time::Instant;

/// The longest name, in characters.
const MAX_NAME: usize = 64;

/// The name that an operator signs in with, unique in the installation: letters, digits and `.`, `_`, `-`, `@`, `+`, in lower case.
/// It may therefore stand in the security log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperatorName(String);

impl OperatorName {
    /// Reads a name as a person types it.
    ///
    /// # Errors
    /// The rule that it breaks. A SID is no name: the form of the sign-in takes either.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        bounded(text, 1, MAX_NAME)?;
        if !text.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-@+".contains(&c)) {
            return Err(Invalid::because(
                "must hold only letters, digits and the characters . _ - @ +",
            ));
        }
        if text.parse::<AccountSid>().is_ok() || text.parse::<ApiKeySid>().is_ok() {
            return Err(Invalid::because("must not be a SID"));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hash of a password in the PHC format, which names its algorithm and costs. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

/// A person who uses the console of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Its SID.
    pub sid: OperatorSid,
    /// The account whose console it is.
    pub account: AccountSid,
    /// The name.
    pub name: OperatorName,
    /// The operator's role.
    pub role: Role,
    /// `None` while only links sign in.
    pub password: Option<PasswordHash>,
    /// When it was created.
    pub created_at: Instant,
    /// When its role or password was last changed.
    pub updated_at: Instant,
}

/// A change of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorChange {
    /// Another role, which holds from the next request on.
    Role(Role),
    /// Another password, which ends the sessions and the link.
    Password(PasswordHash),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_in_lower_case() {
        let name = OperatorName::parse("Ada.Lovelace@example.com").unwrap();
        assert_eq!(name.as_str(), "ada.lovelace@example.com");
    }

    #[test]
    fn a_name_that_could_be_mistaken_is_refused() {
        let sid = "AC0123456789abcdef0123456789abcdef";
        for text in ["", "a b", "ada\n", "ädä", &"a".repeat(65), sid] {
            assert!(OperatorName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_hash_is_not_printed() {
        assert_eq!(format!("{:?}", PasswordHash("owl".to_owned())), "•••");
    }
}
