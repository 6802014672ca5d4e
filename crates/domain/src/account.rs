//! An account: whom everything belongs to, and the secrets by which an application speaks for it.

use std::collections::HashSet;

use crate::secret::{Sealed, SecretHash};
use crate::sid::{AccountSid, ApiKeySid};
use crate::time::Instant;

/// An auth token as it is kept: sealed, since the primary one signs webhooks, and hashed, to recognise it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthToken {
    /// The token under the master key.
    pub sealed: Sealed,
    /// Its keyed hash.
    pub hash: SecretHash,
}

/// An account. Both of its tokens authenticate; the primary one signs webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its SID.
    pub sid: AccountSid,
    /// What the operator calls it.
    pub friendly_name: String,
    /// The token in use.
    pub primary: AuthToken,
    /// The next one, while tokens are being changed.
    pub secondary: Option<AuthToken>,
    /// Since when nobody may speak for it, if so.
    pub suspended_at: Option<Instant>,
    /// When it was made.
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

/// The least length of a token that an operator chooses, in characters.
pub const SHORTEST_TOKEN: usize = 32;
/// The least number of different characters in it. Of 32 random hexadecimal digits there are some fourteen.
const LEAST_DIFFERENT: usize = 8;
/// A token that repeats itself must not do so within fewer characters than these.
const LEAST_PERIOD: usize = 16;
/// Characters that follow each other as in the alphabet, up or down, at most.
const LONGEST_RUN: usize = 16;

/// Why a token that an operator chose is too easy to guess; `None` if nothing speaks against it.
pub fn weakness(token: &str) -> Option<&'static str> {
    let characters: Vec<u32> = token.chars().map(u32::from).collect();
    if characters.len() < SHORTEST_TOKEN {
        return Some("has under 32 characters");
    }
    let different: HashSet<_> = characters.iter().collect();
    if different.len() < LEAST_DIFFERENT {
        return Some("has under 8 different characters");
    }
    let repeats = |period: usize| characters.iter().zip(&characters[period..]).all(|(a, b)| a == b);
    if (1..LEAST_PERIOD).any(repeats) {
        return Some("repeats a few characters");
    }
    let follows = |pair: &[u32]| pair[0].abs_diff(pair[1]) == 1;
    let mut run = 1;
    for pair in characters.windows(2) {
        run = if follows(pair) { run + 1 } else { 1 };
        if run > LONGEST_RUN {
            return Some("is a sequence of characters that follow each other");
        }
    }
    None
}

/// A key that speaks for an account like its tokens do, and can be revoked alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its SID, the user name of Basic authentication.
    pub sid: ApiKeySid,
    /// Whose it is.
    pub account: AccountSid,
    /// What the operator calls it.
    pub friendly_name: String,
    /// The keyed hash of its secret; the secret itself is shown once and not kept.
    pub hash: SecretHash,
    /// When it was made.
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
    fn a_token_that_is_easy_to_guess_is_told_from_one_that_is_not() {
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
