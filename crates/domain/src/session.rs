//! Sessions of the console.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::secret::SecretHash;
use crate::sid::{AccountSid, ApiKeySid, ChallengeGroupSid, OperatorSid};
use crate::time::Instant;

/// The id of a session: 16 bytes of the keyed hash of its cookie. It does not reveal the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// Parses 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// The opener of a session. The session ends when the opener is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opener {
    /// Somebody with a token of the account, which has this hash.
    Account(AccountSid, SecretHash),
    /// Somebody with the secret of an API key, which has this hash.
    ApiKey(ApiKeySid, SecretHash),
    /// An operator.
    Operator(OperatorSid),
}

/// How far a sign-in has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionStage {
    /// The second factor is missing. Nothing of the account is shown.
    Half {
        /// The prompt that was sent last.
        prompt: Option<ChallengeGroupSid>,
    },
    /// The operator is signed in.
    Open,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// The account that it shows.
    pub account: AccountSid,
    /// Its opener.
    pub opener: Opener,
    /// How far the sign-in has come.
    pub stage: SessionStage,
    /// When it was opened.
    pub opened_at: Instant,
    /// When a person last used it, to about a minute.
    pub seen_at: Instant,
    /// When it ends, however active its person is.
    pub expires_at: Instant,
    /// The address that opened it.
    pub address: Option<IpAddr>,
}

impl SessionRecord {
    /// When it ends unless a person uses it again.
    pub fn ends_at(&self, idle: Duration) -> Instant {
        self.expires_at.min(self.seen_at + idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = SessionId([0xab; 16]);
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        for text in ["", "ab", "AB".repeat(16).as_str(), "g".repeat(32).as_str()] {
            assert_eq!(SessionId::parse(text), None, "{text}");
        }
    }
}
