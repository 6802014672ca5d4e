//! Keys as bytes: what others are derived from them, and how one key wraps another.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use countersign_domain::sealing_key::{KeyHolder, SealingKeyId};
use countersign_domain::secret::Sealed;
use countersign_domain::world::{Entropy, random};
use zeroize::Zeroizing;

/// Something sealed cannot be opened: it was sealed under a key that is not known here, or it was moved or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret cannot be opened")]
pub struct UnsealError;

/// 32 secret bytes that other keys are derived from: a master key, or a sealing key.
#[derive(Clone)]
pub struct KeyBytes(Zeroizing<[u8; 32]>);

/// The master key, which opens the sealing keys of an installation.
pub type MasterKey = KeyBytes;

impl KeyBytes {
    /// Creates a key from its bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Draws a key.
    pub(crate) fn draw(entropy: &dyn Entropy) -> Self {
        Self::new(random(entropy))
    }

    /// Another key: HMAC-SHA-256 of a label under this one.
    pub(crate) fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let own = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(hmac::sign(&own, label.as_bytes()).as_ref());
        bytes
    }

    /// The check value, which is different for each key and reveals nothing about it.
    pub fn check_value(&self) -> [u8; 32] {
        *self.derive("countersign check 1")
    }

    /// The name under which keys are wrapped for this one.
    pub fn holder(&self) -> KeyHolder {
        holder_of(&self.check_value())
    }

    /// Wraps a sealing key so that this key opens it.
    pub(crate) fn wrap(&self, id: SealingKeyId, key: &Self, entropy: &dyn Entropy) -> Sealed {
        let nonce = random::<12>(entropy);
        let text = encrypt(&self.wrapping(), nonce, context(id).as_bytes(), key.0.as_slice());
        Sealed::from_bytes([nonce.as_slice(), &text].concat())
    }

    /// Opens a sealing key that was wrapped for this one.
    pub(crate) fn unwrap(&self, id: SealingKeyId, wrapped: &Sealed) -> Result<Self, UnsealError> {
        let (nonce, text) = wrapped.as_bytes().split_first_chunk().ok_or(UnsealError)?;
        let bytes = decrypt(&self.wrapping(), *nonce, context(id).as_bytes(), text)?;
        let bytes = Zeroizing::new(bytes);
        bytes.as_slice().try_into().map(Self::new).map_err(|_| UnsealError)
    }

    fn wrapping(&self) -> LessSafeKey {
        cipher(&self.derive("countersign wrap 1"))
    }
}

impl std::fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("•••")
    }
}

/// The holder whose key has this check value.
pub fn holder_of(check: &[u8; 32]) -> KeyHolder {
    let mut name = [0; 16];
    name.copy_from_slice(&check[..16]);
    KeyHolder(name)
}

fn context(id: SealingKeyId) -> String {
    format!("sealing_keys/{id}")
}

pub(crate) fn mac(key: &[u8; 32]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key)
}

pub(crate) fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes"))
}

pub(crate) fn encrypt(key: &LessSafeKey, nonce: [u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut text = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut text)
        .expect("a secret is far below the 64 GiB that AES-GCM takes");
    text
}

pub(crate) fn decrypt(
    key: &LessSafeKey,
    nonce: [u8; 12],
    aad: &[u8],
    text: &[u8],
) -> Result<Vec<u8>, UnsealError> {
    let mut text = text.to_vec();
    let plain = key
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut text)
        .map_err(|_| UnsealError)?
        .len();
    text.truncate(plain);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_testkit::SeededEntropy;

    #[test]
    fn a_wrapped_key_opens_for_its_holder_and_under_its_id() {
        let (holder, key) = (KeyBytes::new([7; 32]), KeyBytes::new([8; 32]));
        let wrapped = holder.wrap(SealingKeyId(2), &key, &SeededEntropy::new(1));
        let opened = holder.unwrap(SealingKeyId(2), &wrapped).unwrap();
        assert_eq!(opened.check_value(), key.check_value());
        assert_eq!(holder.unwrap(SealingKeyId(3), &wrapped).unwrap_err(), UnsealError);
        assert_eq!(key.unwrap(SealingKeyId(2), &wrapped).unwrap_err(), UnsealError);
        let cut = Sealed::from_bytes(wrapped.as_bytes()[..20].to_vec());
        assert_eq!(holder.unwrap(SealingKeyId(2), &cut).unwrap_err(), UnsealError);
        assert_ne!(holder.holder(), key.holder());
    }
}
