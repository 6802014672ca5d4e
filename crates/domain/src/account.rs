//! An account: whom everything belongs to, and the secrets by which an application speaks for it.

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
}
