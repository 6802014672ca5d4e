//! Signed notes: a text and the lines of those who signed it (c2sp.org/signed-note).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::NoteError;
use crate::key::{KeyId, LogKey, VerifierKey};

/// Signatures that are read of one note.
const SIGNATURES_MAX: usize = 64;
/// Bytes of a note that is read.
const BYTES_MAX: usize = 64 * 1024;

/// A signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// The name of the key.
    pub name: String,
    /// The id of the key.
    pub id: KeyId,
    /// The signature; a witness puts the time before it.
    pub signature: Vec<u8>,
}

impl SignatureLine {
    /// Reads a line, with or without its newline.
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = STANDARD.decode(signature).ok()?;
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        let found = Self { name: name.to_owned(), id: *id, signature: signature.to_vec() };
        (!signature.is_empty() && crate::key::is_name(name)).then_some(found)
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.as_slice(), &self.signature].concat();
        writeln!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

/// A signed note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The text, which ends with a newline.
    pub text: String,
    /// Those who signed it.
    pub signatures: Vec<SignatureLine>,
}

impl Note {
    /// Signs a text, which ends with a newline.
    pub fn sign(text: String, key: &LogKey) -> Self {
        let public = key.public();
        let signature = key.sign(text.as_bytes());
        let line = SignatureLine { name: public.name.clone(), id: public.id(), signature };
        Self { text, signatures: vec![line] }
    }

    /// Reads a note; checks no signature.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        let end = note.rfind("\n\n").filter(|_| note.len() <= BYTES_MAX);
        let (text, lines) = note.split_at(end.ok_or(NoteError::Malformed)? + 1);
        let lines = lines[1..].strip_suffix('\n').ok_or(NoteError::Malformed)?;
        let lines = lines.split('\n').take(SIGNATURES_MAX + 1);
        let signatures = lines.map(SignatureLine::parse).collect::<Option<Vec<_>>>();
        let signatures = signatures.ok_or(NoteError::Malformed)?;
        let is_plain = !text.contains(|c: char| c.is_control() && c != '\n');
        if text == "\n" || signatures.len() > SIGNATURES_MAX || !is_plain {
            return Err(NoteError::Malformed);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The signature of a key, unchecked.
    pub fn signature_of(&self, key: &VerifierKey) -> Option<&[u8]> {
        let of_key = |line: &&SignatureLine| line.name == key.name && line.id == key.id();
        self.signatures.iter().find(of_key).map(|line| line.signature.as_slice())
    }

    /// Checks that a log's key has signed the text.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`] or [`NoteError::WrongSignature`].
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let signature = self.signature_of(key).ok_or(NoteError::NotSigned)?;
        if key.verifies(self.text.as_bytes(), signature) {
            Ok(())
        } else {
            Err(NoteError::WrongSignature)
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| write!(f, "{line}"))
    }
}
