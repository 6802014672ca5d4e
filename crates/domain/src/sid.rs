//! SIDs: two letters and 32 hexadecimal digits (Twilio, String Identifier). Each kind of resource has a type of its own.
//!
//! SIDs are ordered by time: 48 bits of milliseconds, then random bits, which increase within a millisecond of one process. Rows that
//! are created together are therefore stored together, which doubles the write rate of a B-tree. The SIDs of factors and challenges
//! begin with a byte for the type, as Twilio's do: `03` for push, `02` for TOTP.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

use crate::factor_type::FactorType;
use crate::invalid::Invalid;
use crate::time::Instant;
use crate::world::Entropy;

const FORM: Invalid = Invalid::because("must be a SID: its two letters and 32 hexadecimal digits");

/// Writes the milliseconds to the six bytes at `at`, and random bytes after them, which increase if `entropy` keeps a sequence.
fn fill_ordered(bytes: &mut [u8; 16], at: usize, now: Instant, entropy: &dyn Entropy) {
    let millis = (now.as_micros() / 1_000).to_be_bytes();
    bytes[at..at + 6].copy_from_slice(&millis[2..]);
    entropy.fill(&mut bytes[at + 6..]);
    if let (Some(sequence), Some(leading)) = (entropy.sequence(), bytes[at..].first_chunk_mut()) {
        sequence.raise(leading);
    }
}

/// Reads the milliseconds of a SID.
fn minted_at(ordered: &[u8]) -> Instant {
    let millis = ordered.iter().fold(0_i64, |millis, byte| millis << 8 | i64::from(*byte));
    Instant::from_micros(millis.saturating_mul(1_000))
}

fn parse_hex(text: &str, prefix: &str) -> Result<[u8; 16], Invalid> {
    let digits = text.strip_prefix(prefix).filter(|digits| digits.len() == 32).ok_or(FORM)?;
    let mut bytes = [0; 16];
    let decoded = HEXLOWER_PERMISSIVE.decode_mut(digits.as_bytes(), &mut bytes);
    decoded.map(|_| bytes).map_err(|_| FORM)
}

/// The least and the greatest 16 bytes whose digits begin with those of `text` behind the prefix.
fn range_of_hex(text: &str, prefix: &str) -> Option<([u8; 16], [u8; 16])> {
    let digits = text.strip_prefix(prefix).filter(|digits| (1..=32).contains(&digits.len()))?;
    let filled = |filling: char| {
        let rest = std::iter::repeat_n(filling, 32 - digits.len());
        let whole: String = prefix.chars().chain(digits.chars()).chain(rest).collect();
        parse_hex(&whole, prefix).ok()
    };
    filled('0').zip(filled('f'))
}

fn print_hex(f: &mut fmt::Formatter<'_>, prefix: &str, bytes: &[u8; 16]) -> fmt::Result {
    let mut digits = [0; 32];
    f.write_str(prefix)?;
    f.write_str(HEXLOWER.encode_mut_str(bytes, &mut digits))
}

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Restores a SID from the 16 bytes in the database.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes after the prefix.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// The next smaller SID.
            #[must_use]
            pub const fn previous(self) -> Self {
                Self(u128::from_be_bytes(self.0).saturating_sub(1).to_be_bytes())
            }

            /// The least and the greatest SID that begin with `text`: the two letters and at least one digit.
            pub fn range_of_prefix(text: &str) -> Option<(Self, Self)> {
                range_of_hex(text, $prefix).map(|(least, greatest)| (Self(least), Self(greatest)))
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                parse_hex(text, $prefix).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                print_hex(f, $prefix, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! minted {
    ($($name:ident)*) => {$(
        impl $name {
            /// Creates a SID, which is greater than those of earlier milliseconds.
            pub fn mint(now: Instant, entropy: &dyn Entropy) -> Self {
                let mut bytes = [0; 16];
                fill_ordered(&mut bytes, 0, now, entropy);
                Self(bytes)
            }

            /// When it was created, to the millisecond. Meaningless for a SID that this server did not create.
            pub fn minted_at(self) -> Instant {
                minted_at(&self.0[..6])
            }
        }
    )*};
}

macro_rules! minted_by_type {
    ($($name:ident)*) => {$(
        impl $name {
            /// Creates a SID, which is greater than those of the same type and earlier milliseconds.
            pub fn mint(kind: FactorType, now: Instant, entropy: &dyn Entropy) -> Self {
                let mut bytes = [0; 16];
                bytes[0] = kind.lead();
                fill_ordered(&mut bytes, 1, now, entropy);
                Self(bytes)
            }

            /// The type of the factor. A SID that this server did not create counts as push.
            pub const fn kind(self) -> FactorType {
                if self.0[0] == FactorType::Totp.lead() { FactorType::Totp } else { FactorType::Push }
            }

            /// The least SID that can be created at `at`. Smaller ones are older.
            pub fn least(kind: FactorType, at: Instant) -> Self {
                let mut bytes = [0; 16];
                bytes[0] = kind.lead();
                bytes[1..7].copy_from_slice(&(at.as_micros() / 1_000).to_be_bytes()[2..]);
                Self(bytes)
            }

            /// When it was created, to the millisecond. Meaningless for a SID that this server did not create.
            pub fn minted_at(self) -> Instant {
                minted_at(&self.0[1..7])
            }
        }
    )*};
}

sid!(
    /// An account, which everything else belongs to.
    AccountSid, "AC"
);
sid!(
    /// An API key of an account.
    ApiKeySid, "SK"
);
sid!(
    /// A service of an account.
    ServiceSid, "VA"
);
sid!(
    /// An entity of a service: a person.
    EntitySid, "YE"
);
sid!(
    /// A factor of an entity: a device or a shared secret.
    FactorSid, "YF"
);
sid!(
    /// A challenge of a factor.
    ChallengeSid, "YC"
);
sid!(
    /// A group of challenges, which ask one person on several devices. It has the digits of the group's first challenge. Twilio
    /// has no such resource, and no SID of Verify v2 with these letters.
    ChallengeGroupSid, "YG"
);
sid!(
    /// A notification of a challenge.
    NotificationSid, "NT"
);
sid!(
    /// An access token, which enrols one factor.
    AccessTokenSid, "YK"
);
sid!(
    /// A webhook of a service.
    WebhookSid, "YW"
);
sid!(
    /// An integration of a service. Twilio has no such resource, and no SID of Verify v2 with these letters.
    IntegrationSid, "IG"
);
sid!(
    /// A push credential of an account, for APNs or FCM.
    CredentialSid, "CR"
);
sid!(
    /// The id of a factor's public key, which its JWTs name as `kid` and responses as `config.credential_sid`. It has the prefix of
    /// push credentials, as in Twilio Verify v2.
    FactorKeySid, "CR"
);
sid!(
    /// The value of `Twilio-Request-Id`.
    RequestSid, "RQ"
);
sid!(
    /// A person who uses the console.
    OperatorSid, "OP"
);
sid!(
    /// An entry of the audit trail.
    AuditSid, "AU"
);

minted!(OperatorSid AuditSid AccountSid ApiKeySid ServiceSid EntitySid NotificationSid AccessTokenSid WebhookSid IntegrationSid CredentialSid FactorKeySid RequestSid);
minted_by_type!(FactorSid ChallengeSid);

impl ChallengeSid {
    /// The SID of a challenge of this type at the same place in the order of [`age`](Self::age).
    pub const fn with_kind(self, kind: FactorType) -> Self {
        let mut bytes = self.0;
        bytes[0] = kind.lead();
        Self(bytes)
    }

    /// The sort key of challenges of both types: the time, then the random bytes.
    pub fn age(self) -> u128 {
        u128::from_be_bytes(self.with_kind(FactorType::Push).0)
    }

    /// The next greater SID.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(u128::from_be_bytes(self.0).saturating_add(1).to_be_bytes())
    }
}

impl ChallengeGroupSid {
    /// The group that this challenge is the first of.
    pub const fn of_first(challenge: ChallengeSid) -> Self {
        Self(challenge.0)
    }

    /// The group's first challenge.
    pub const fn first(self) -> ChallengeSid {
        ChallengeSid(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_sid_is_a_range() {
        let (least, greatest) = ChallengeSid::range_of_prefix("YC03aB").unwrap();
        assert_eq!(least.to_string(), "YC03ab0000000000000000000000000000");
        assert_eq!(greatest.to_string(), "YC03abffffffffffffffffffffffffffff");
        let whole = "YC03ab0000000000000000000000000000";
        assert_eq!(ChallengeSid::range_of_prefix(whole), Some((least, least)));
        for text in ["", "YC", "YC0x", "NT03", &format!("{whole}0"), "YCé"] {
            assert_eq!(ChallengeSid::range_of_prefix(text), None, "{text}");
        }
    }

    #[test]
    fn challenges_of_both_types_have_one_order() {
        let at = Instant::from_seconds(1_700_000_000);
        let [push, totp] =
            [FactorType::Push, FactorType::Totp].map(|kind| ChallengeSid::least(kind, at));
        assert_eq!((push.age(), push.with_kind(FactorType::Totp)), (totp.age(), totp));
        let later = ChallengeSid::least(FactorType::Totp, at + std::time::Duration::from_millis(1));
        assert!(later.age() > push.next().age() && push.next() > push);
    }
}
