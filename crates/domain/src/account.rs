//! An account, which everything else belongs to, and the secrets that authenticate its applications.

use std::collections::HashSet;

use crate::invalid::Invalid;
use crate::secret::{Sealed, SecretHash};
use crate::sid::{AccountSid, ApiKeySid};
use crate::text::line;
use crate::time::Instant;

/// A stored auth token: sealed, because the primary token signs webhooks, and hashed, to recognise it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthToken {
    /// The token, sealed.
    pub sealed: Sealed,
    /// Its keyed hash.
    pub hash: SecretHash,
}

/// An account. Both of its tokens authenticate; the primary one signs webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its SID.
    pub sid: AccountSid,
    /// A name for the operator's use, see [`clean_name`].
    pub friendly_name: String,
    /// The primary token.
    pub primary: AuthToken,
    /// The secondary token, if there is one.
    pub secondary: Option<AuthToken>,
    /// Since when the account is suspended; `None` if it is active.
    pub suspended_at: Option<Instant>,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

impl Account {
    /// Whether `secret` is one of its tokens.
    pub fn accepts(&self, secret: SecretHash) -> bool {
        let secondary = self.secondary.as_ref().is_some_and(|token| token.hash == secret);
        (self.primary.hash == secret) | secondary
    }
}

/// The longest name of an account or an API key, in characters.
const MAX_NAME: usize = 256;

/// Checks a name of an account or an API key, and removes the characters that people cannot see or that change the order of others.
///
/// # Errors
/// The name is not one line of 1 to 256 visible characters.
pub fn clean_name(text: &str) -> Result<String, Invalid> {
    line(text, 1, MAX_NAME)
}

/// The shortest token that an operator may choose, in characters.
pub const MIN_TOKEN: usize = 32;
/// The least number of different characters in such a token. 32 random hexadecimal digits have about fourteen.
const MIN_DIFFERENT: usize = 8;
/// The shortest period of a token that repeats itself, in characters.
const MIN_PERIOD: usize = 16;
/// The longest sequence of neighbouring characters, upwards or downwards.
const MAX_RUN: usize = 16;

/// Why a token that an operator chose is too easy to guess; `None` if it is acceptable.
pub fn weakness(token: &str) -> Option<&'static str> {
    let characters: Vec<u32> = token.chars().map(u32::from).collect();
    if characters.len() < MIN_TOKEN {
        return Some("has under 32 characters");
    }
    let different: HashSet<_> = characters.iter().collect();
    if different.len() < MIN_DIFFERENT {
        return Some("has under 8 different characters");
    }
    let repeats = |period: usize| characters.iter().zip(&characters[period..]).all(|(a, b)| a == b);
    if (1..MIN_PERIOD).any(repeats) {
        return Some("repeats a few characters");
    }
    let follows = |pair: &[u32]| pair[0].abs_diff(pair[1]) == 1;
    let mut run = 1;
    for pair in characters.windows(2) {
        run = if follows(pair) { run + 1 } else { 1 };
        if run > MAX_RUN {
            return Some("is a sequence of characters that follow each other");
        }
    }
    None
}

/// An API key. It authenticates for an account as its tokens do, and can be revoked alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its SID, the user name of Basic authentication.
    pub sid: ApiKeySid,
    /// The account that it belongs to.
    pub account: AccountSid,
    /// A name for the operator's use, see [`clean_name`].
    pub friendly_name: String,
    /// The keyed hash of its secret. The secret itself is returned once and not stored.
    pub hash: SecretHash,
    /// When it was created.
    pub created_at: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(byte: u8) -> AuthToken {
        AuthToken { sealed: Sealed::from_bytes(Vec::new()), hash: SecretHash([byte; 32]) }
    }

    #[test]
    fn both_tokens_are_accepted_and_no_other() {
        let mut account = Account {
            sid: AccountSid::from_bytes([0; 16]),
            friendly_name: "owlbank".into(),
            primary: token(1),
            secondary: None,
            suspended_at: None,
            created_at: Instant::default(),
            updated_at: Instant::default(),
        };
        assert!(account.accepts(SecretHash([1; 32])));
        assert!(!account.accepts(SecretHash([2; 32])));
        account.secondary = Some(token(2));
        assert!(account.accepts(SecretHash([1; 32])) && account.accepts(SecretHash([2; 32])));
        assert!(!account.accepts(SecretHash([0; 32])));
    }

    #[test]
    fn a_name_loses_the_characters_that_people_cannot_see() {
        assert_eq!(clean_name("Owl Bank").unwrap(), "Owl Bank");
        assert_eq!(clean_name("Owl\u{202e} Bank\u{200b}\u{7}").unwrap(), "Owl Bank");
        for wrong in ["", "\u{202e}\u{2066}", "Owl\0Bank", &"x".repeat(257)] {
            assert!(clean_name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn tokens_that_are_easy_to_guess_are_found() {
        for (token, why) in [
            ("0123456789abcdef0123456789abcde", "under 32"),
            (&"a".repeat(64), "different"),
            (&"abc123".repeat(8), "different"),
            (&"12345678".repeat(4), "repeats"),
            (&"correct-horse-".repeat(3), "repeats"),
            ("abcdefghijklmnopqrstuvwxyz012345", "sequence"),
            ("zyxwvutsrqponmlkjihgfedcba-secret", "sequence"),
        ] {
            assert!(
                weakness(token).is_some_and(|is| is.contains(why)),
                "{token}: {:?}",
                weakness(token)
            );
        }
        for token in [
            "9f86d081884c7d659a2feaa0c55ad015",
            "0123456789abcdef0123456789abcdef",
            "Tr0ub4dor&3 is not enough, but this is",
            "öäü-Straße-hörbar-größer-süß-Mühle",
        ] {
            assert_eq!(weakness(token), None, "{token}");
        }
    }
}
