//! The keys that sign notes, and those that check them (c2sp.org/signed-note).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::NoteError;

/// The texts that a key signs, and its algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Notes, with Ed25519.
    Log,
    /// Cosignatures of a witness, with Ed25519.
    Witness,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }
}

/// The id of a key, which its signatures carry.
pub type KeyId = [u8; 4];

/// Whether a text may be the name of a key, and so the origin of a log: not empty, no space, no plus.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// The public key of a log or of a witness.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    /// The name of the log, or of the witness.
    pub name: String,
    /// Its kind.
    pub kind: KeyKind,
    public: [u8; 32],
}

impl VerifierKey {
    /// The id, which signatures carry.
    pub fn id(&self) -> KeyId {
        let text = [self.name.as_bytes(), b"\n", &[self.kind.byte()], &self.public].concat();
        let hash = digest(&SHA256, &text);
        let mut id = [0; 4];
        id.copy_from_slice(&hash.as_ref()[..4]);
        id
    }

    /// Whether a signature is of this message by this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    /// `name+id+key`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind.byte()], self.public.as_slice()].concat();
        let id = u32::from_be_bytes(self.id());
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::MalformedKey);
        };
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::MalformedKey)?;
        let (kind, public) = bytes.split_first().ok_or(NoteError::MalformedKey)?;
        let kind = [KeyKind::Log, KeyKind::Witness].into_iter().find(|known| known.byte() == *kind);
        let key = Self {
            name: name.to_owned(),
            kind: kind.ok_or(NoteError::MalformedKey)?,
            public: public.try_into().map_err(|_| NoteError::MalformedKey)?,
        };
        if is_name(name) && key.to_string() == text && id.len() == 8 {
            Ok(key)
        } else {
            Err(NoteError::MalformedKey)
        }
    }
}

/// The private key of a log, or of a witness.
pub struct LogKey {
    public: VerifierKey,
    pair: Ed25519KeyPair,
}

impl LogKey {
    /// The key of this name with this seed.
    ///
    /// # Errors
    /// [`NoteError::MalformedKey`]: the name cannot be one.
    pub fn of_seed(name: &str, kind: KeyKind, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::MalformedKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoteError::MalformedKey)?;
        if !is_name(name) {
            return Err(NoteError::MalformedKey);
        }
        Ok(Self { public: VerifierKey { name: name.to_owned(), kind, public }, pair })
    }

    /// The public key.
    pub const fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// Shows the public key only.
impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({})", self.public)
    }
}
