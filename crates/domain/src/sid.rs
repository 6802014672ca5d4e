//! SIDs: two letters and 32 hexadecimal digits (wire reference §1.3). One type per kind, parsed and printed here only.
//!
//! Inside they are time-ordered: 48 bits of milliseconds, then random bits, which grow within a millisecond of one process.
//! Rows that are made together then lie together, which doubles what a B-tree takes in. Push factors and challenges begin with a `03` byte before that,
//! TOTP ones with `02`, as Twilio's do.

use std::fmt;
use std::str::FromStr;

use crate::factor_type::FactorType;
use crate::invalid::Invalid;
use crate::time::Instant;
use crate::world::Entropy;

const FORM: Invalid = Invalid::because("must be a SID: its two letters and 32 hexadecimal digits");

/// Milliseconds into the six bytes at `at`, random bytes after them, in the order of the process if it keeps one.
fn fill_ordered(bytes: &mut [u8; 16], at: usize, now: Instant, entropy: &dyn Entropy) {
    let millis = (now.as_micros() / 1_000).to_be_bytes();
    bytes[at..at + 6].copy_from_slice(&millis[2..]);
    entropy.fill(&mut bytes[at + 6..]);
    if let (Some(sequence), Some(leading)) = (entropy.sequence(), bytes[at..].first_chunk_mut()) {
        sequence.raise(leading);
    }
}

/// Reads the milliseconds back.
fn minted_at(ordered: &[u8]) -> Instant {
    let millis = ordered.iter().fold(0_i64, |millis, byte| millis << 8 | i64::from(*byte));
    Instant::from_micros(millis.saturating_mul(1_000))
}

fn parse_hex(text: &str, prefix: &str) -> Result<[u8; 16], Invalid> {
    let digits = text.strip_prefix(prefix).filter(|digits| digits.len() == 32).ok_or(FORM)?;
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let digit = |c: u8| (c as char).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or(FORM);
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

fn print_hex(f: &mut fmt::Formatter<'_>, prefix: &str, bytes: &[u8; 16]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    f.write_str(prefix)?;
    f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
}

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From the 16 bytes that a database keeps.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes behind the prefix.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
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
            /// A new one, after all that were minted in earlier milliseconds.
            pub fn mint(now: Instant, entropy: &dyn Entropy) -> Self {
                let mut bytes = [0; 16];
                fill_ordered(&mut bytes, 0, now, entropy);
                Self(bytes)
            }

            /// When it was minted, to the millisecond; of one that was not minted here, any instant.
            pub fn minted_at(self) -> Instant {
                minted_at(&self.0[..6])
            }
        }
    )*};
}

macro_rules! minted_by_type {
    ($($name:ident)*) => {$(
        impl $name {
            /// A new one, after all of its type that were minted in earlier milliseconds.
            pub fn mint(kind: FactorType, now: Instant, entropy: &dyn Entropy) -> Self {
                let mut bytes = [0; 16];
                bytes[0] = kind.lead();
                fill_ordered(&mut bytes, 1, now, entropy);
                Self(bytes)
            }

            /// Of which type it is, or its factor; what was not minted here counts as push.
            pub const fn kind(self) -> FactorType {
                if self.0[0] == FactorType::Totp.lead() { FactorType::Totp } else { FactorType::Push }
            }

            /// The least one that could have been minted at `at`: all that are smaller are older.
            pub fn least(kind: FactorType, at: Instant) -> Self {
                let mut bytes = [0; 16];
                bytes[0] = kind.lead();
                bytes[1..7].copy_from_slice(&(at.as_micros() / 1_000).to_be_bytes()[2..]);
                Self(bytes)
            }

            /// When it was minted, to the millisecond; of one that was not minted here, any instant.
            pub fn minted_at(self) -> Instant {
                minted_at(&self.0[1..7])
            }
        }
    )*};
}

sid!(
    /// An account: whom everything belongs to.
    AccountSid, "AC"
);
sid!(
    /// An API key of an account.
    ApiKeySid, "SK"
);
sid!(
    /// A service: one application's push settings.
    ServiceSid, "VA"
);
sid!(
    /// An entity: a person, under the application's name for them.
    EntitySid, "YE"
);
sid!(
    /// A factor: one device of an entity.
    FactorSid, "YF"
);
sid!(
    /// A challenge: a question to a device.
    ChallengeSid, "YC"
);
sid!(
    /// A notification: one push of a challenge.
    NotificationSid, "NT"
);
sid!(
    /// An access token: the right to enrol one factor.
    AccessTokenSid, "YK"
);
sid!(
    /// A webhook of a service.
    WebhookSid, "YW"
);
sid!(
    /// A push credential of an account, for APNs or FCM.
    CredentialSid, "CR"
);
sid!(
    /// The id of a factor's public key, which its JWTs name as `kid`; on the wire `config.credential_sid`
    /// (wire reference §3.2). Not a push credential, though the prefix is the same.
    FactorKeySid, "CR"
);
sid!(
    /// The value of `Twilio-Request-Id`.
    RequestSid, "RQ"
);

minted!(AccountSid ApiKeySid ServiceSid EntitySid NotificationSid AccessTokenSid WebhookSid CredentialSid FactorKeySid RequestSid);
minted_by_type!(FactorSid ChallengeSid);
