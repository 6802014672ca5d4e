//! The state of a log, as it is signed (c2sp.org/tlog-checkpoint).

use std::fmt;

use crate::error::NoteError;
use crate::hash::Hash;
use crate::key::{LogKey, VerifierKey};
use crate::note::Note;

/// The state of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log: the URL that it is served under, without the scheme.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

impl Checkpoint {
    /// The signed note of the state.
    pub fn signed(&self, key: &LogKey) -> Note {
        Note::sign(self.to_string(), key)
    }

    /// Reads the state that a note holds; checks no signature.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn of_note(note: &Note) -> Result<Self, NoteError> {
        let mut lines = note.text.split('\n');
        let (origin, size, root) = (lines.next(), lines.next(), lines.next());
        let size =
            size.filter(|size| !size.starts_with('+') && (*size == "0" || !size.starts_with('0')));
        let size = size.and_then(|size| size.parse().ok());
        let root = root.and_then(Hash::from_base64);
        match (origin.filter(|origin| !origin.is_empty()), size, root) {
            (Some(origin), Some(size), Some(root)) => {
                Ok(Self { origin: origin.to_owned(), size, root })
            }
            _ => Err(NoteError::Malformed),
        }
    }

    /// Reads a checkpoint that the log's key has signed.
    ///
    /// # Errors
    /// See [`NoteError`].
    pub fn open(note: &Note, key: &VerifierKey) -> Result<Self, NoteError> {
        note.verify(key)?;
        let checkpoint = Self::of_note(note)?;
        if checkpoint.origin == key.name { Ok(checkpoint) } else { Err(NoteError::NotSigned) }
    }
}

impl fmt::Display for Checkpoint {
    /// The text that is signed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }
}
