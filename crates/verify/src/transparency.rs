//! The transparency log: its key, the files that anybody may read, and proofs.

use aws_lc_rs::digest::SHA256_OUTPUT_LEN;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_domain::secret::Secret;
use countersign_domain::sid::AccountSid;
use countersign_domain::world::random;
use countersign_store::seam::{LogBeginning, LogState, StoredEntry};
use countersign_store::{StoreError, tree};
use countersign_tlog::key::KeyKind;
use countersign_tlog::tile::{Content, bundle};
use countersign_tlog::tree::Question;
use countersign_tlog::{Checkpoint, Hash, LogKey, Note, ProofFile, TILE_WIDTH, TilePath};

use crate::error::{VerifyError, VerifyResult};
use crate::verify::Verify;

/// The context that the key is sealed under.
pub(crate) const KEY_CONTEXT: &str = "tlog_state/key";
const SEED_BYTES: usize = SHA256_OUTPUT_LEN;

/// The checkpoint of the log, as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The signed note.
    pub note: Note,
    /// Its content.
    pub checkpoint: Checkpoint,
}

/// An entry that was checked.
#[derive(Debug, Clone)]
pub struct CheckedEntry {
    /// The entry.
    pub entry: StoredEntry,
    /// Its proof and the size of the checkpoint; `None` if no checkpoint has it yet.
    pub proof: Option<(ProofFile, u64)>,
    /// Whether the proof holds.
    pub is_right: bool,
}

fn corrupt(place: &str) -> VerifyError {
    StoreError::Corrupt(place.to_owned()).into()
}

impl Verify {
    /// Begins the transparency log under this name, if there is none. Returns its key, whose name is that of the log.
    ///
    /// # Errors
    /// The database failed, or the key cannot be opened.
    pub async fn begin_log(&self, origin: &str) -> VerifyResult<LogKey> {
        let seed = Secret::new(STANDARD.encode(random::<SEED_BYTES>(&*self.entropy)));
        let key = self.keys.seal(&seed, KEY_CONTEXT, &*self.entropy);
        let beginning = LogBeginning { origin: origin.to_owned(), key };
        let state = self.store.begin_log(&beginning).await?;
        self.open_log_key(&state).await
    }

    /// Notes no more changes for the log.
    ///
    /// # Errors
    /// The database failed.
    pub async fn pause_log(&self) -> VerifyResult<()> {
        Ok(self.store.pause_log().await?)
    }

    /// The key of the log, if there is a log.
    ///
    /// # Errors
    /// The database failed, or the key cannot be opened.
    pub async fn log_key(&self) -> VerifyResult<Option<LogKey>> {
        let Some(state) = self.store.log_state().await? else { return Ok(None) };
        self.open_log_key(&state).await.map(Some)
    }

    async fn open_log_key(&self, state: &LogState) -> VerifyResult<LogKey> {
        let corrupt = || corrupt("tlog_state.key");
        let LogBeginning { origin, key } = &state.beginning;
        let seed = self.open_stored(key, KEY_CONTEXT).await?;
        let seed = STANDARD.decode(seed.expose()).ok().and_then(|seed| seed.try_into().ok());
        LogKey::of_seed(origin, KeyKind::Log, &seed.ok_or_else(corrupt)?).map_err(|_| corrupt())
    }

    /// The checkpoint of the log; `None` before the first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn log_checkpoint(&self) -> VerifyResult<Option<Published>> {
        let state = self.store.log_state().await?;
        let Some(note) = state.and_then(|state| state.checkpoint) else { return Ok(None) };
        let read = || -> Result<_, countersign_tlog::NoteError> {
            let note = Note::parse(&note)?;
            let checkpoint = Checkpoint::of_note(&note)?;
            Ok(Published { note, checkpoint })
        };
        read().map(Some).map_err(|_| corrupt("tlog_state.checkpoint"))
    }

    /// The bytes of a tile; `None` if the log has no such tile, or its entries were pruned.
    ///
    /// # Errors
    /// The database failed.
    pub async fn log_file(&self, path: TilePath) -> VerifyResult<Option<Vec<u8>>> {
        let Some(state) = self.store.log_state().await? else { return Ok(None) };
        let width = usize::from(path.width);
        let last = path.number.saturating_mul(TILE_WIDTH).saturating_add(u64::from(path.width));
        match path.content {
            Content::Hashes(level) => {
                let has = state.size.checked_shr(8 * u32::from(level)).unwrap_or(0);
                let tile = self.store.log_tile(level, path.number).await?.filter(|_| last <= has);
                Ok(tile.and_then(|bytes| Some(bytes.get(..width * Hash::BYTES)?.to_vec())))
            }
            Content::Entries if last > state.size => Ok(None),
            Content::Entries => {
                let from = path.number * TILE_WIDTH;
                let entries = self.store.log_entries(from, width).await?;
                let is_whole = entries.len() == width && entries[0].number == from;
                Ok(is_whole.then(|| bundle(entries.iter().map(|entry| entry.entry.as_bytes()))))
            }
        }
    }

    /// The entry of the log at an index.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] if there is none, or it was pruned.
    pub async fn log_entry(&self, index: u64) -> VerifyResult<StoredEntry> {
        let mut found = self.store.log_entries(index, 1).await?;
        found.pop().filter(|entry| entry.number == index).ok_or(VerifyError::NotFound)
    }

    /// Entries of the log from an index on, of all accounts.
    ///
    /// # Errors
    /// The database failed.
    pub async fn log_entries(&self, from: u64, most: usize) -> VerifyResult<Vec<StoredEntry>> {
        Ok(self.store.log_entries(from, most).await?)
    }

    /// The newest entries of an account before an index, the newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn log_entries_of(
        &self,
        account: AccountSid,
        before: u64,
        most: usize,
    ) -> VerifyResult<Vec<StoredEntry>> {
        Ok(self.store.log_entries_of(account, before, most).await?)
    }

    /// The entries about a resource, given the bytes of its SID.
    ///
    /// # Errors
    /// The database failed.
    pub async fn log_entries_about(
        &self,
        subject: [u8; 16],
        most: usize,
    ) -> VerifyResult<Vec<StoredEntry>> {
        Ok(self.store.log_entries_about(subject, most).await?)
    }

    /// The proof that the entry at an index is in the log, by its checkpoint.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] if the checkpoint has no such entry.
    pub async fn log_proof(&self, index: u64) -> VerifyResult<ProofFile> {
        let published = self.log_checkpoint().await?.ok_or(VerifyError::NotFound)?;
        let size = published.checkpoint.size;
        if index >= size {
            return Err(VerifyError::NotFound);
        }
        let proof = tree::answer(&*self.store, Question::Inclusion { index, size }).await?;
        Ok(ProofFile { extra: None, index, proof, checkpoint: published.note })
    }

    /// An entry of an account, and the check of its proof against the checkpoint.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] if the account has no such entry.
    pub async fn check_log_entry(
        &self,
        account: AccountSid,
        index: u64,
    ) -> VerifyResult<CheckedEntry> {
        let entry = self.log_entry(index).await?;
        let members: serde_json::Value = serde_json::from_str(&entry.entry).unwrap_or_default();
        let key = self.log_key().await?.ok_or(VerifyError::NotFound)?;
        if members["account"] != account.to_string() {
            return Err(VerifyError::NotFound);
        }
        match self.log_proof(index).await {
            Ok(proof) => {
                let size = Checkpoint::of_note(&proof.checkpoint).map_or(0, |it| it.size);
                let is_right = proof.verify(entry.entry.as_bytes(), key.public()).is_ok();
                Ok(CheckedEntry { entry, proof: Some((proof, size)), is_right })
            }
            Err(VerifyError::NotFound) => Ok(CheckedEntry { entry, proof: None, is_right: false }),
            Err(error) => Err(error),
        }
    }

    /// The proof that the log of `size` entries begins with that of `old` entries.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] if the log is shorter.
    pub async fn log_consistency(&self, old: u64, size: u64) -> VerifyResult<Vec<Hash>> {
        let state = self.store.log_state().await?.ok_or(VerifyError::NotFound)?;
        if old > size || size > state.size {
            return Err(VerifyError::NotFound);
        }
        Ok(tree::answer(&*self.store, Question::Consistency { old, size }).await?)
    }
}
