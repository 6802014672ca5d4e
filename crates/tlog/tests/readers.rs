//! The readers of what strangers send: no text makes them panic, and what they read is written so that it reads back the same.

use countersign_tlog::tile::unbundle;
use countersign_tlog::witness::AddCheckpoint;
use countersign_tlog::{Checkpoint, Note, ProofFile, TilePath, VerifierKey};
use serde_json::Value;

fn same<T: PartialEq + std::fmt::Debug + ToString>(text: &str, read: impl Fn(&str) -> Option<T>) {
    if let Some(found) = read(text) {
        assert_eq!(read(&found.to_string()), Some(found), "{text}");
    }
}

fn read_all(bytes: &[u8]) {
    let _ = unbundle(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    same(text, |text| Note::parse(text).ok());
    same(text, |text| AddCheckpoint::parse(text).ok());
    same(text, |text| ProofFile::parse(text).ok());
    same(text, |text| text.parse::<VerifierKey>().ok());
    if let Some(path) = TilePath::parse(text) {
        assert_eq!(path.to_string(), text, "a path has one spelling");
    }
    if let Ok(note) = Note::parse(text) {
        let _ = Checkpoint::of_note(&note);
    }
}

#[test]
fn cut_or_changed_texts_are_refused_or_read_the_same_again() {
    let vectors: Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let known = &vectors["checkpoint"];
    let mut seeds = vec!["tile/1/x001/x234/067.p/8".to_owned(), "tile/entries/000".to_owned()];
    for name in ["checkpoint", "log_vkey", "add_checkpoint_request", "tlog_proof_leaf_5"] {
        seeds.push(known[name].as_str().unwrap().to_owned());
    }
    for seed in seeds {
        let seed = seed.as_bytes();
        read_all(seed);
        for at in 0..seed.len() {
            read_all(&seed[..at]);
            for change in [0x01, 0x20, 0x80, 0xff] {
                let mut changed = seed.to_vec();
                changed[at] ^= change;
                read_all(&changed);
            }
        }
    }
}
