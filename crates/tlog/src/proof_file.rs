//! The proof of one entry as a file, which needs no server (c2sp.org/tlog-proof).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::check;
use crate::checkpoint::Checkpoint;
use crate::error::NoteError;
use crate::hash::Hash;
use crate::key::VerifierKey;
use crate::note::Note;

const TITLE: &str = "c2sp.org/tlog-proof@v1";
/// Hashes of a proof that are read.
const PROOF_MAX: usize = 64;

/// The proof that an entry is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFile {
    /// Bytes that the log's users agree on.
    pub extra: Option<Vec<u8>>,
    /// The index of the entry.
    pub index: u64,
    /// The inclusion proof, from the leaf to the root.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, with cosignatures.
    pub checkpoint: Note,
}

impl ProofFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (head, note) = text.split_once("\n\n").ok_or(NoteError::Malformed)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(TITLE) {
            return Err(NoteError::Malformed);
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.map(|line| STANDARD.decode(&line["extra ".len()..]));
        let extra = extra.transpose().map_err(|_| NoteError::Malformed)?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")?.parse().ok());
        let proof = lines.take(PROOF_MAX + 1).map(Hash::from_base64).collect::<Option<Vec<_>>>();
        match (index, proof.filter(|proof| proof.len() <= PROOF_MAX)) {
            (Some(index), Some(proof)) => {
                Ok(Self { extra, index, proof, checkpoint: Note::parse(note)? })
            }
            _ => Err(NoteError::Malformed),
        }
    }

    /// Checks that an entry is in the log of this key; returns the checkpoint that it is in.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, entry: &[u8], log: &VerifierKey) -> Result<Checkpoint, ProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, log)?;
        let Checkpoint { size, root, .. } = checkpoint;
        if check::inclusion(self.index, Hash::of_leaf(entry), size, root, &self.proof) {
            Ok(checkpoint)
        } else {
            Err(ProofError::NotIncluded)
        }
    }
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The checkpoint is not the log's.
    #[error(transparent)]
    Checkpoint(#[from] NoteError),
    /// The hashes do not lead from the entry to the root.
    #[error("the entry is not in the log at this index, or it was changed")]
    NotIncluded,
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{TITLE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
