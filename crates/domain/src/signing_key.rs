//! The keys that sign tokens of the OpenID provider. All servers of a database share them.
//!
//! Each algorithm has a key that signs, and for a day before and after a change another one that is published: a client that has
//! read the published keys within a day knows the key of every token.

use std::time::Duration;

use crate::jws_key::JwsAlgorithm;
use crate::secret::Sealed;
use crate::time::Instant;

/// How long a key is published before it signs.
pub const ANNOUNCED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a key is published after the next one signs. Longer than any token is valid.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The age of a key at which the next one is made.
pub const LASTS: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// How it signs.
    pub algorithm: JwsAlgorithm,
    /// 1 for the first key of an algorithm, and one more for each next one.
    pub version: i64,
    /// The private key: base64 of its PKCS#8, sealed.
    pub key: Sealed,
    /// When it was made.
    pub created_at: Instant,
}

/// The place in time of one key of an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyAge {
    /// Its version.
    pub version: i64,
    /// When it was made.
    pub created_at: Instant,
}

impl KeyAge {
    /// When it begins to sign. The first key does at once.
    fn signs_at(self) -> Instant {
        if self.version == 1 { self.created_at } else { self.created_at + ANNOUNCED_FOR }
    }
}

/// The version that signs at `now`, of the keys of one algorithm; `None` without a key.
pub fn signing(keys: &[KeyAge], now: Instant) -> Option<i64> {
    let begun = keys.iter().filter(|key| key.signs_at() <= now);
    let newest = begun.max_by_key(|key| key.version);
    // Without one the time of day was set back.
    newest.or_else(|| keys.iter().min_by_key(|key| key.version)).map(|key| key.version)
}

/// Whether a key is published at `now`, beside these of the same algorithm.
pub fn is_published(key: KeyAge, keys: &[KeyAge], now: Instant) -> bool {
    let newer = keys.iter().filter(|other| other.version > key.version);
    !newer.clone().any(|newer| newer.signs_at() + KEPT_FOR <= now)
}

/// The version of the key that is to be made at `now`, if one is.
pub fn wanted(keys: &[KeyAge], now: Instant) -> Option<i64> {
    match keys.iter().max_by_key(|key| key.version) {
        None => Some(1),
        Some(newest) => (newest.created_at + LASTS <= now).then_some(newest.version + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn key(version: i64, created_at: Instant) -> KeyAge {
        KeyAge { version, created_at }
    }

    #[test]
    fn a_key_is_published_a_day_before_it_signs_and_a_day_after() {
        let begin = Instant::from_seconds(1_700_000_000);
        let first = key(1, begin);
        assert_eq!((signing(&[], begin), wanted(&[], begin)), (None, Some(1)));
        assert_eq!((signing(&[first], begin), wanted(&[first], begin)), (Some(1), None));
        let made = begin + LASTS;
        assert_eq!(wanted(&[first], made), Some(2));
        let both = [first, key(2, made)];
        assert_eq!((signing(&both, made), wanted(&both, made)), (Some(1), None));
        let begins = made + ANNOUNCED_FOR;
        assert_eq!(signing(&both, begins), Some(2));
        assert!(is_published(first, &both, begins + DAY - Duration::from_secs(1)));
        assert!(!is_published(first, &both, begins + KEPT_FOR));
        assert!(is_published(both[1], &both, begins + KEPT_FOR));
        assert_eq!(signing(&both, begin - DAY), Some(1), "the clock was set back");
    }
}
