//! Cosignatures: a witness saw a checkpoint at a time, and none that contradicts it (c2sp.org/tlog-cosignature).

use crate::error::NoteError;
use crate::key::{LogKey, VerifierKey};
use crate::note::{Note, SignatureLine};

/// The message that a witness signs.
fn message(text: &str, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

/// Cosigns the text of a checkpoint, as a witness does, at a time in seconds since 1970.
pub fn cosign(text: &str, witness: &LogKey, seconds: u64) -> SignatureLine {
    let signature = witness.sign(message(text, seconds).as_bytes());
    let public = witness.public();
    SignatureLine {
        name: public.name.clone(),
        id: public.id(),
        signature: [seconds.to_be_bytes().as_slice(), &signature].concat(),
    }
}

/// Checks that a witness has cosigned a checkpoint; returns when, in seconds since 1970.
///
/// # Errors
/// [`NoteError::NotSigned`] or [`NoteError::WrongSignature`].
pub fn verify(note: &Note, witness: &VerifierKey) -> Result<u64, NoteError> {
    let signature = note.signature_of(witness).ok_or(NoteError::NotSigned)?;
    let (seconds, signature) = signature.split_first_chunk().ok_or(NoteError::WrongSignature)?;
    let seconds = u64::from_be_bytes(*seconds);
    if witness.verifies(message(&note.text, seconds).as_bytes(), signature) {
        Ok(seconds)
    } else {
        Err(NoteError::WrongSignature)
    }
}
