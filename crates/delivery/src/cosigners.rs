//! The witnesses of the transparency log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_providers::witness::{Witness, WitnessError};
use countersign_store::error::StoreResult;
use countersign_store::seam::Transparency;
use countersign_store::tree;
use countersign_tlog::Note;
use countersign_tlog::note::SignatureLine;
use countersign_tlog::tree::Question;
use countersign_tlog::witness::AddCheckpoint;
use futures_util::future::join_all;

use crate::metrics;

/// The witnesses of the log, and the size that each saw last.
pub(crate) struct Cosigners {
    witnesses: Vec<Arc<dyn Witness>>,
    seen: Mutex<HashMap<usize, u64>>,
}

impl Cosigners {
    pub(crate) fn new(witnesses: Vec<Arc<dyn Witness>>) -> Self {
        Self { witnesses, seen: Mutex::default() }
    }

    /// Adds the cosignatures of all witnesses that respond in time. A checkpoint is published without the others.
    pub(crate) async fn cosign<S: Transparency + Sync + ?Sized>(
        &self,
        store: &S,
        note: &mut Note,
        size: u64,
    ) -> StoreResult<()> {
        let asked = self.witnesses.iter().enumerate();
        let asked = asked.map(|(number, witness)| self.ask(store, number, &**witness, note, size));
        for line in join_all(asked).await {
            note.signatures.extend(line?);
        }
        Ok(())
    }

    /// Asks a witness. If it saw another size last, asks once more from there.
    async fn ask<S: Transparency + Sync + ?Sized>(
        &self,
        store: &S,
        number: usize,
        witness: &dyn Witness,
        note: &Note,
        size: u64,
    ) -> StoreResult<Option<SignatureLine>> {
        let mut old = self.seen(number);
        for _ in 0..2 {
            if old > size {
                break;
            }
            let proof = tree::answer(store, Question::Consistency { old, size }).await?;
            let request = AddCheckpoint { old, proof, checkpoint: note.clone() };
            match witness.cosign(&request).await {
                Ok(line) => {
                    self.see(number, size);
                    metrics::cosigned("cosigned");
                    return Ok(Some(line));
                }
                Err(WitnessError::Size(known)) => {
                    self.see(number, known);
                    old = known;
                }
                Err(WitnessError::Failed(why)) => {
                    metrics::cosigned("failed");
                    tracing::warn!(witness = witness.name(), %why, "a witness has not cosigned the transparency log");
                    return Ok(None);
                }
            }
        }
        // Another node may have grown the log meanwhile, and asked first.
        if store.log_state().await?.is_some_and(|state| old <= state.size && old > size) {
            return Ok(None);
        }
        metrics::cosigned("refused");
        tracing::error!(
            witness = witness.name(),
            witness_size = old,
            size,
            "a witness saw a longer transparency log than this one: the database is an older copy, or the log was changed"
        );
        Ok(None)
    }

    fn seen(&self, number: usize) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&number).copied().unwrap_or(0)
    }

    fn see(&self, number: usize, size: u64) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(number, size);
    }
}
