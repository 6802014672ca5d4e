//! How a witness is asked, and how it judges (c2sp.org/tlog-witness).

use std::fmt;

use crate::check;
use crate::checkpoint::Checkpoint;
use crate::error::NoteError;
use crate::hash::Hash;
use crate::key::VerifierKey;
use crate::note::{Note, SignatureLine};

/// Hashes of a consistency proof that are read.
const PROOF_MAX: usize = 63;

/// The body of `POST …/add-checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness saw last.
    pub old: u64,
    /// The proof from there.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl AddCheckpoint {
    /// Reads a body.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(body: &str) -> Result<Self, NoteError> {
        let (head, note) = body.split_once("\n\n").ok_or(NoteError::Malformed)?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(|old| old.parse().ok());
        let proof = lines.take(PROOF_MAX + 1).map(Hash::from_base64).collect::<Option<Vec<_>>>();
        match (old, proof.filter(|proof| proof.len() <= PROOF_MAX)) {
            (Some(old), Some(proof)) => Ok(Self { old, proof, checkpoint: Note::parse(note)? }),
            _ => Err(NoteError::Malformed),
        }
    }

    /// Judges a request as a witness does that knows this log by its key and saw `seen` last: its size and root. Returns the
    /// checkpoint to remember and then to cosign.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn judge(&self, log: &VerifierKey, seen: (u64, Hash)) -> Result<Checkpoint, Refusal> {
        let checkpoint = Checkpoint::open(&self.checkpoint, log).map_err(|_| Refusal::Untrusted)?;
        if self.old > checkpoint.size {
            return Err(Refusal::Malformed);
        }
        if self.old != seen.0 || self.old == checkpoint.size && checkpoint.root != seen.1 {
            return Err(Refusal::Conflict { size: seen.0 });
        }
        let Checkpoint { size, root, .. } = checkpoint;
        if check::consistency(self.old, seen.1, size, root, &self.proof) {
            Ok(checkpoint)
        } else {
            Err(Refusal::WrongProof)
        }
    }
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The old size is larger than the new one: 400.
    Malformed,
    /// The log's key has not signed the checkpoint: 403.
    Untrusted,
    /// The witness saw another size last, or another root: 409.
    Conflict {
        /// The size that it saw.
        size: u64,
    },
    /// The proof is wrong: 422.
    WrongProof,
}

impl Refusal {
    /// The status of the response.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Untrusted => 403,
            Self::Conflict { .. } => 409,
            Self::WrongProof => 422,
        }
    }
}

/// The media type of the size in a 409.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// Reads the cosignatures of a response, and keeps that of one witness if it is right.
///
/// # Errors
/// The response holds none, or a wrong one.
pub fn read_cosignature(
    response: &str,
    checkpoint: &Note,
    witness: &VerifierKey,
) -> Result<SignatureLine, NoteError> {
    let lines = response.lines().take(16).filter_map(SignatureLine::parse);
    let found = lines.filter(|line| line.name == witness.name && line.id == witness.id());
    let found = found.last().ok_or(NoteError::NotSigned)?;
    let note = Note { text: checkpoint.text.clone(), signatures: vec![found.clone()] };
    crate::cosignature::verify(&note, witness).map(|_| found)
}
