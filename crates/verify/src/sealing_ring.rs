//! The sealing keys that this process knows: which one seals, and which ones open.
//!
//! A running server learns new keys from the database: each is wrapped for the sealing key before it, so that a server needs no
//! master key after its start.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::hmac;
use countersign_domain::sealing_key::{KeyHolder, SealingKeyId, WrappedKey};
use countersign_domain::time::Instant;

use crate::key_bytes::{KeyBytes, UnsealError, cipher, mac};

/// The age from which a key seals what is handed out: every server has learned it by then.
pub(crate) const KNOWN_TO_ALL_AFTER: Duration = Duration::from_secs(60);

/// A sealing key and the keys derived from it.
pub(crate) struct SealingKey {
    pub(crate) bytes: KeyBytes,
    /// Seals what is stored, and what is handed out with the id of its key.
    pub(crate) seal: LessSafeKey,
    pub(crate) access_token: LessSafeKey,
    pub(crate) access_token_nonce: hmac::Key,
    pub(crate) form: hmac::Key,
    pub(crate) carried: hmac::Key,
    is_retired: bool,
}

impl SealingKey {
    fn new(bytes: KeyBytes, is_retired: bool) -> Self {
        Self {
            seal: cipher(&bytes.derive("countersign seal 1")),
            access_token: cipher(&bytes.derive("countersign access token 1")),
            access_token_nonce: mac(&bytes.derive("countersign access token nonce 1")),
            form: mac(&bytes.derive("countersign form 1")),
            carried: mac(&bytes.derive("countersign carried 1")),
            bytes,
            is_retired,
        }
    }
}

/// The sealing keys that are known.
pub(crate) struct SealingRing {
    keys: BTreeMap<SealingKeyId, SealingKey>,
    handing_out: SealingKeyId,
}

impl SealingRing {
    /// The keys of an installation whose master key was never changed: the master key itself is the only one.
    pub(crate) fn of_first(master: &KeyBytes) -> Self {
        let first = SealingKey::new(master.clone(), false);
        Self { keys: [(SealingKeyId::FIRST, first)].into(), handing_out: SealingKeyId::FIRST }
    }

    /// The keys among `stored` that can be opened with a master key or with a key that is known.
    ///
    /// # Errors
    /// The first key cannot be opened: the master key is wrong.
    pub(crate) fn open(
        stored: &[WrappedKey],
        master: &KeyBytes,
        known: Option<&Self>,
        now: Instant,
    ) -> Result<Self, UnsealError> {
        let known = known.into_iter().flat_map(|ring| &ring.keys);
        let mut opened: BTreeMap<_, _> = known.map(|(id, key)| (*id, key.bytes.clone())).collect();
        let mut holders: BTreeMap<KeyHolder, KeyBytes> =
            opened.values().chain([master]).map(|key| (key.holder(), key.clone())).collect();
        // One key may open the next one: each round opens at least one, or is the last.
        loop {
            let is_new = |key: &&WrappedKey| !opened.contains_key(&key.id);
            let found = stored.iter().filter(is_new).find_map(|key| {
                let opened = holders.get(&key.holder)?.unwrap(key.id, &key.wrapped).ok()?;
                Some((key.id, opened))
            });
            let Some((id, key)) = found else { break };
            holders.insert(key.holder(), key.clone());
            opened.insert(id, key);
        }
        if !opened.contains_key(&SealingKeyId::FIRST) {
            return Err(UnsealError);
        }
        let is_retired = |id| stored.iter().any(|key| key.id == id && key.retired_at.is_some());
        let is_known_to_all = |id: &SealingKeyId| {
            let made = stored.iter().filter(|key| key.id == *id).map(|key| key.created_at).max();
            made.is_none_or(|at| at + KNOWN_TO_ALL_AFTER <= now)
        };
        let handing_out = opened.keys().copied().filter(is_known_to_all).max();
        let keys = opened.into_iter();
        let keys = keys.map(|(id, key)| (id, SealingKey::new(key, is_retired(id)))).collect();
        Ok(Self { keys, handing_out: handing_out.unwrap_or(SealingKeyId::FIRST) })
    }

    /// Whether all keys among `stored` are known, and nothing else about them has changed.
    pub(crate) fn is_current(&self, stored: &[WrappedKey], now: Instant) -> bool {
        let is_settled = self.handing_out == self.newest().0;
        let is_settled = is_settled
            || !stored
                .iter()
                .any(|key| key.id == self.newest().0 && key.created_at + KNOWN_TO_ALL_AFTER <= now);
        let is_same = |stored: &WrappedKey| {
            self.keys
                .get(&stored.id)
                .is_some_and(|key| key.is_retired == stored.retired_at.is_some())
        };
        is_settled && stored.iter().all(is_same)
    }

    /// The first key, from which everything is derived that a rotation does not change.
    pub(crate) fn first(&self) -> &SealingKey {
        &self.keys[&SealingKeyId::FIRST]
    }

    /// The key that seals what is stored.
    pub(crate) fn newest(&self) -> (SealingKeyId, &SealingKey) {
        let (id, key) = self.keys.last_key_value().expect("the first key is always there");
        (*id, key)
    }

    /// The key that seals what is handed out.
    pub(crate) fn handing_out(&self) -> (SealingKeyId, &SealingKey) {
        (self.handing_out, &self.keys[&self.handing_out])
    }

    /// The key that sealed a stored secret, if it is known.
    pub(crate) fn get(&self, id: SealingKeyId) -> Option<&SealingKey> {
        self.keys.get(&id)
    }

    /// The keys that open what was handed out, the newest first.
    pub(crate) fn accepted(&self) -> impl Iterator<Item = (SealingKeyId, &SealingKey)> {
        let accepted = self.keys.iter().rev().filter(|(_, key)| !key.is_retired);
        accepted.map(|(id, key)| (*id, key))
    }

    /// All keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (SealingKeyId, &KeyBytes)> {
        self.keys.iter().map(|(id, key)| (*id, &key.bytes))
    }
}
