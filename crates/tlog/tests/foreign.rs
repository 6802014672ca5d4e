//! Other people's verifiers accept what this crate makes, and this crate accepts what they make.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests; every number here is small"
)]

mod support;

use countersign_tlog::key::KeyKind;
use countersign_tlog::tree::Question;
use countersign_tlog::{Checkpoint, Hash, LogKey, check};
use proptest::prelude::*;
use signed_note::{StandardVerifier, Verifier, VerifierList};
use support::Log;
use tlog_tiles::tlog;

fn theirs(hashes: &[Hash]) -> Vec<tlog::Hash> {
    hashes.iter().map(|hash| tlog::Hash(hash.0)).collect()
}

#[test]
fn a_foreign_verifier_accepts_a_checkpoint() {
    let key = LogKey::of_seed("log.example/tlog", KeyKind::Log, &[7; 32]).unwrap();
    let root = Hash::of_leaf(b"entry");
    let ours = Checkpoint { origin: "log.example/tlog".to_owned(), size: 1, root };
    let note = ours.signed(&key).to_string();
    let verifier = StandardVerifier::new(&key.public().to_string()).unwrap();
    let known = VerifierList::new(vec![Box::new(verifier) as Box<dyn Verifier>]);
    let read = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
    let (trusted, unknown) = read.verify(&known).unwrap();
    assert_eq!((trusted.len(), unknown.len()), (1, 0));
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.size()), ("log.example/tlog", 1));
    assert_eq!(checkpoint.hash().0, root.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Sizes around the borders of tiles as well.
    #[test]
    fn foreign_verifiers_accept_proofs_of_trees_of_any_size(size in 1_u64..1_400, at in 0_u64..1_400, old in 1_u64..1_400) {
        let (index, old) = (at % size, old % size + 1);
        let entries: Vec<_> = (0..size).map(u64::to_be_bytes).collect();
        let log = Log::of(entries.iter().map(<[u8; 8]>::as_slice));
        let root = log.edge.root();
        let proof = log.answer(Question::Inclusion { index, size });
        let leaf = Hash::of_leaf(&entries[index as usize]);
        prop_assert!(check::inclusion(index, leaf, size, root, &proof));
        let (their_root, their_leaf) = (tlog::Hash(root.0), tlog::Hash(leaf.0));
        tlog::check_record(&theirs(&proof), size, their_root, index, their_leaf).unwrap();
        let old_root = log.answer(Question::Root(old))[0];
        let proof = log.answer(Question::Consistency { old, size });
        prop_assert!(check::consistency(old, old_root, size, root, &proof));
        tlog::check_tree(&theirs(&proof), size, their_root, old, tlog::Hash(old_root.0)).unwrap();
        for wrong in 0..proof.len() {
            let mut changed = proof.clone();
            changed[wrong].0[0] ^= 1;
            prop_assert!(!check::consistency(old, old_root, size, root, &changed));
        }
    }
}
