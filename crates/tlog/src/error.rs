//! Why what somebody else signed or stored is rejected.

/// Why a note, a key or a proof is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The key is not `name+id+key` of a known kind.
    #[error("the key is not written as name+id+key, or is of another kind than Ed25519")]
    MalformedKey,
    /// The note has no text, no signature, or a line that cannot be read.
    #[error("the text is not a signed note")]
    Malformed,
    /// A known key's signature is wrong.
    #[error("a signature is wrong")]
    WrongSignature,
    /// The key has not signed it.
    #[error("the key has not signed it")]
    NotSigned,
}
