//! A push credential, which authenticates this server to a push service (Twilio, Credentials resource).

use std::fmt;
use std::str::FromStr;

use crate::invalid::Invalid;
use crate::secret::Sealed;
use crate::sid::{AccountSid, CredentialSid};
use crate::text::{bounded, line};
use crate::time::Instant;

/// The push service that a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialType {
    /// Apple (APNs).
    Apn,
    /// Google (FCM).
    Fcm,
    /// Google before FCM (GCM). Stored and shown, and not used.
    Gcm,
}

impl CredentialType {
    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apn => "apn",
            Self::Fcm => "fcm",
            Self::Gcm => "gcm",
        }
    }
}

impl FromStr for CredentialType {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::Apn, Self::Fcm, Self::Gcm]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(Invalid::because("must be apn, fcm or gcm"))
    }
}

/// A part of a push credential that can be wrong. Prints as plain words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialPart {
    /// APNs: the certificate.
    Certificate,
    /// APNs: the private key.
    PrivateKey,
    /// APNs: the id of a `.p8` key.
    KeyId,
    /// APNs: the id of the developer team.
    TeamId,
    /// APNs: the topic.
    Topic,
    /// FCM: the service account.
    Secret,
}

impl fmt::Display for CredentialPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::PrivateKey => "private key",
            Self::KeyId => "key id",
            Self::TeamId => "team id",
            Self::Topic => "topic",
            Self::Secret => "service account",
        })
    }
}

/// A push credential. Its secrets can be written, and no response contains them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its SID.
    pub sid: CredentialSid,
    /// The account that it belongs to.
    pub account: AccountSid,
    /// The push service.
    pub kind: CredentialType,
    /// A name for the operator's use.
    pub friendly_name: Option<String>,
    /// Whether it is for Apple's sandbox environment.
    pub sandbox: bool,
    /// Apple's ten-character id of a `.p8` key.
    pub key_id: Option<String>,
    /// Apple's ten-character id of the developer team.
    pub team_id: Option<String>,
    /// The topic, if it differs from the factor's app id.
    pub topic: Option<String>,
    /// Certificate, private key, API key and service account, as one sealed JSON document.
    pub secrets: Sealed,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// The mark that some editors put at the beginning of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

impl Credential {
    /// Parses the name of a credential, which may be empty.
    ///
    /// # Errors
    /// It is longer than 64 characters, or no line.
    pub fn name(text: &str) -> Result<String, Invalid> {
        line(text, 0, 64)
    }

    /// Parses an id of a key or of a team. One that was copied from Apple's site may bring spaces and line ends, which no id
    /// contains.
    ///
    /// # Errors
    /// It is empty, or longer than 64 characters.
    pub fn id(text: &str) -> Result<String, Invalid> {
        let is_of_it = |c: &char| !c.is_whitespace() && *c != BYTE_ORDER_MARK;
        let text: String = text.chars().filter(is_of_it).collect();
        bounded(&text, 1, 64).map(|()| text)
    }

    /// Parses a topic.
    ///
    /// # Errors
    /// It is empty, or longer than 256 characters.
    pub fn topic(text: &str) -> Result<String, Invalid> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == BYTE_ORDER_MARK);
        bounded(text, 1, 256).map(|()| text.to_owned())
    }
}
