//! Facts of the transparency log, and the entries that are made of them.
//!
//! An entry says in clear what kind of change happened to which resource, and when. Everything about a person is in the opening, which
//! the entry only commits to: SHA-256 of a random salt and the opening. Without the salt the commitment reveals nothing.

use aws_lc_rs::digest::{Context, SHA256, digest};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value};

use crate::sid::{AccountSid, ChallengeSid, EntitySid, ServiceSid};
use crate::time::Instant;

/// The length of a salt, in bytes.
pub const SALT_BYTES: usize = 32;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == text)
            }
        }
    };
}

words!(
    /// The kind of resource that changed.
    Noun {
        /// The log itself.
        Log = "log",
        /// An account, its tokens included.
        Account = "account",
        /// An API key.
        ApiKey = "api_key",
        /// A push credential.
        Credential = "credential",
        /// A service and its settings.
        Service = "service",
        /// A webhook.
        Webhook = "webhook",
        /// An integration.
        Integration = "integration",
        /// A person.
        Entity = "entity",
        /// The pause of a person.
        Pause = "pause",
        /// A device or a TOTP secret.
        Factor = "factor",
        /// A challenge.
        Challenge = "challenge",
        /// An operator of the console.
        Operator = "operator",
        /// An action of an operator: an entry of the audit trail.
        OperatorAction = "operator_action",
    }
);

words!(
    /// The kind of change.
    Verb {
        /// It was created; a challenge was made, an action was done.
        Created = "created",
        /// It was changed.
        Changed = "changed",
        /// It was deleted.
        Deleted = "deleted",
        /// A factor proved that it works.
        Verified = "verified",
        /// A push of a challenge was delivered for the first time: a push service accepted it, or a device acknowledged it.
        Delivered = "delivered",
        /// A challenge was approved.
        Approved = "approved",
        /// A challenge was denied.
        Denied = "denied",
        /// The answer to another challenge of its group ended a challenge.
        Ended = "ended",
        /// A challenge expired without an answer.
        Expired = "expired",
    }
);

/// A kind of change, by noun and verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FactKind {
    /// The kind of resource that changed.
    pub noun: Noun,
    /// The change to it.
    pub verb: Verb,
}

impl FactKind {
    /// Reads a kind, such as `challenge.approved`.
    pub fn parse(text: &str) -> Option<Self> {
        let (noun, verb) = text.split_once('.')?;
        Some(Self { noun: Noun::parse(noun)?, verb: Verb::parse(verb)? })
    }

    /// The SID of a subject of this kind.
    pub fn subject(self, bytes: &[u8; 16]) -> String {
        let prefix = match self.noun {
            Noun::Log => "",
            Noun::Account => "AC",
            Noun::ApiKey => "SK",
            Noun::Credential => "CR",
            Noun::Service => "VA",
            Noun::Webhook => "YW",
            Noun::Integration => "IG",
            Noun::Entity | Noun::Pause => "YE",
            Noun::Factor => "YF",
            Noun::Challenge => "YC",
            Noun::Operator => "OP",
            Noun::OperatorAction => "AU",
        };
        format!("{prefix}{}", HEXLOWER.encode(bytes))
    }
}

impl std::fmt::Display for FactKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.noun.as_str(), self.verb.as_str())
    }
}

/// A fact, as the transaction of the change noted it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// The kind of change.
    pub kind: FactKind,
    /// The resource: the bytes of its SID.
    pub subject: [u8; 16],
    /// Its account.
    pub account: Option<AccountSid>,
    /// Its service.
    pub service: Option<ServiceSid>,
    /// The person whom it is about.
    pub person: Option<EntitySid>,
    /// When it happened. Unknown for a deletion, which stores no time.
    pub at: Option<Instant>,
    /// The members of the opening.
    pub members: Map<String, Value>,
    /// A challenge that was made, and when it expires.
    pub watch: Option<(Instant, ChallengeSid)>,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactEntry {
    /// The kind of change.
    pub kind: FactKind,
    /// The resource: the bytes of its SID.
    pub subject: [u8; 16],
    /// Its account.
    pub account: Option<AccountSid>,
    /// Its service.
    pub service: Option<ServiceSid>,
    /// The person whom it is about.
    pub person: Option<EntitySid>,
    /// When it happened; the time of the entry if that is unknown.
    pub at: Instant,
    /// The entry: JSON in the canonical form of RFC 8785.
    pub entry: String,
    /// The salt of its commitment.
    pub salt: [u8; SALT_BYTES],
    /// The opening, in the same form.
    pub opening: String,
}

impl Fact {
    /// Makes the entry of a fact. `now` stands for an unknown time.
    pub fn into_entry(self, salt: [u8; SALT_BYTES], now: Instant) -> FactEntry {
        let opening = canonical(&self.members);
        let at = self.at.unwrap_or(now);
        let members = [
            ("account", self.account.map(|sid| sid.to_string())),
            ("at", Some(at.to_micros_string())),
            ("commitment", Some(commitment(&salt, &opening))),
            ("kind", Some(self.kind.to_string())),
            ("service", self.service.map(|sid| sid.to_string())),
            ("subject", Some(self.kind.subject(&self.subject))),
        ];
        let members = members.into_iter();
        let entry = members.filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        FactEntry {
            kind: self.kind,
            subject: self.subject,
            account: self.account,
            service: self.service,
            person: self.person,
            at,
            entry: canonical(&entry.collect()),
            salt,
            opening,
        }
    }
}

/// The commitment to an opening: SHA-256 of the salt and the opening, in hexadecimal digits.
pub fn commitment(salt: &[u8], opening: &str) -> String {
    let mut all = Context::new(&SHA256);
    all.update(salt);
    all.update(opening.as_bytes());
    HEXLOWER.encode(all.finish().as_ref())
}

/// SHA-256 of a text, in hexadecimal digits: a long text in an opening.
pub fn text_digest(text: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, text.as_bytes()).as_ref())
}

/// An object in the canonical form of RFC 8785: its members sorted, no spaces. Its values are texts, whole numbers, flags and NULLs, and
/// its names are ASCII, so that is all there is to sort.
fn canonical(members: &Map<String, Value>) -> String {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_key(|(name, _)| name.as_str());
    let quoted = |name: &str| Value::from(name).to_string();
    let members: Vec<_> =
        sorted.into_iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fact() -> Fact {
        let Value::Object(members) = json!({"identity": "owl\n\"é", "factor": "YF00"}) else {
            unreachable!()
        };
        Fact {
            kind: FactKind::parse("challenge.approved").unwrap(),
            subject: [3; 16],
            account: Some(AccountSid::from_bytes([1; 16])),
            service: None,
            person: Some(EntitySid::from_bytes([2; 16])),
            at: Some(Instant::from_micros(1_700_000_000_000_001)),
            members,
            watch: None,
        }
    }

    #[test]
    fn an_entry_names_the_change_and_commits_to_the_person() {
        let entry = fact().into_entry([7; 32], Instant::from_seconds(9));
        assert_eq!(entry.opening, r#"{"factor":"YF00","identity":"owl\n\"é"}"#);
        let commitment = commitment(&[7; 32], &entry.opening);
        let expected = format!(
            r#"{{"account":"AC01010101010101010101010101010101","at":"2023-11-14T22:13:20.000001Z","commitment":"{commitment}","kind":"challenge.approved","subject":"YC03030303030303030303030303030303"}}"#
        );
        assert_eq!(entry.entry, expected);
        assert!(!entry.entry.contains("owl"));
        let other = fact().into_entry([8; 32], Instant::from_seconds(9));
        assert_ne!(other.entry, entry.entry, "the same opening under another salt");
    }

    #[test]
    fn a_fact_without_a_time_has_that_of_its_entry() {
        let entry = Fact { at: None, ..fact() }.into_entry([7; 32], Instant::from_seconds(9));
        assert_eq!(entry.at, Instant::from_seconds(9));
    }

    #[test]
    fn every_kind_reads_back() {
        for noun in Noun::ALL {
            for verb in Verb::ALL {
                let kind = FactKind { noun: *noun, verb: *verb };
                assert_eq!(FactKind::parse(&kind.to_string()), Some(kind));
            }
        }
        assert_eq!(FactKind::parse("challenge.eaten"), None);
    }
}
