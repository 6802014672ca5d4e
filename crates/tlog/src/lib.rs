//! A transparency log, without a database, a clock or a network: an append-only Merkle tree (RFC 6962) in tiles that are plain files
//! (c2sp.org/tlog-tiles), its state as a signed checkpoint (c2sp.org/signed-note, tlog-checkpoint), cosignatures of witnesses
//! (c2sp.org/tlog-witness, tlog-cosignature), and proofs that need no server (c2sp.org/tlog-proof).
//!
//! | file | holds |
//! | --- | --- |
//! | `hash.rs` | hashes of entries and nodes |
//! | `edge.rs` | the right edge of the tree, which grows |
//! | `tree.rs` | roots and proofs from tiles |
//! | `check.rs` | the checks of proofs, which need no tiles |
//! | `tile.rs` | names and contents of the files |
//! | `note.rs`, `key.rs` | signed notes, and the keys that sign them |
//! | `error.rs` | why a note, a key or a proof is rejected |
//! | `checkpoint.rs` | the text of a checkpoint |
//! | `cosignature.rs`, `witness.rs` | what a witness signs, and how it is asked |
//! | `proof_file.rs` | the proof of one entry, as a file |

pub mod check;
pub mod checkpoint;
pub mod cosignature;
pub mod edge;
pub mod error;
pub mod hash;
pub mod key;
pub mod note;
pub mod proof_file;
pub mod tile;
pub mod tree;
pub mod witness;

pub use checkpoint::Checkpoint;
pub use edge::Edge;
pub use error::NoteError;
pub use hash::Hash;
pub use key::{LogKey, VerifierKey};
pub use note::Note;
pub use proof_file::ProofFile;
pub use tile::{TILE_WIDTH, TilePath};
