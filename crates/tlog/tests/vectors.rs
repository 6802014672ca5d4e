//! Published vectors, and vectors made from the written rules.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests; every number here is small"
)]

mod support;

use countersign_tlog::key::KeyKind;
use countersign_tlog::tile::{Content, TilePath, bundle, hashes_to_bytes};
use countersign_tlog::tree::Question;
use countersign_tlog::witness::AddCheckpoint;
use countersign_tlog::{
    Checkpoint, Edge, Hash, LogKey, Note, ProofFile, VerifierKey, check, cosignature,
};
use data_encoding::HEXLOWER;
use serde_json::Value;
use support::Log;

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn hash(value: &Value) -> Hash {
    Hash(HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap().try_into().unwrap())
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn seed(value: &Value) -> [u8; 32] {
    hash(value).0
}

fn leaves() -> Vec<Vec<u8>> {
    let leaves = vectors()["rfc6962"]["leaves_hex"].take();
    let decode = |leaf: &Value| HEXLOWER.decode(leaf.as_str().unwrap().as_bytes()).unwrap();
    leaves.as_array().unwrap().iter().map(decode).collect()
}

#[test]
fn trees_have_the_published_roots() {
    let roots = hashes(&vectors()["rfc6962"]["roots_hex"]);
    let mut log = Log::default();
    assert_eq!(log.edge.root(), roots[0]);
    for (leaf, root) in leaves().iter().zip(&roots[1..]) {
        log.push(leaf);
        assert_eq!(log.edge.root(), *root);
        assert_eq!(log.answer(Question::Root(log.edge.size())), [*root]);
    }
}

#[test]
fn proofs_are_the_published_ones_and_hold() {
    let rfc = &vectors()["rfc6962"];
    let roots = hashes(&rfc["roots_hex"]);
    let leaves = leaves();
    let log = Log::of(leaves.iter().map(Vec::as_slice));
    for known in rfc["inclusion"].as_array().unwrap() {
        let [index, size] = ["index", "size"].map(|name| known[name].as_u64().unwrap());
        let proof = hashes(&known["proof_hex"]);
        assert_eq!(log.answer(Question::Inclusion { index, size }), proof, "{known}");
        let (leaf, root) = (Hash::of_leaf(&leaves[index as usize]), roots[size as usize]);
        assert!(check::inclusion(index, leaf, size, root, &proof), "{known}");
        assert!(!check::inclusion(index, Hash::of_leaf(b"other"), size, root, &proof));
        assert!(!check::inclusion(index + 1, leaf, size, root, &proof));
    }
    for known in rfc["consistency"].as_array().unwrap() {
        let [old, size] = ["old", "size"].map(|name| known[name].as_u64().unwrap());
        let proof = hashes(&known["proof_hex"]);
        assert_eq!(log.answer(Question::Consistency { old, size }), proof, "{known}");
        let (from, to) = (roots[old as usize], roots[size as usize]);
        assert!(check::consistency(old, from, size, to, &proof), "{known}");
        assert!(!check::consistency(old, Hash::of_leaf(b"other"), size, to, &proof));
    }
}

#[test]
fn a_published_note_is_checked_and_its_key_reads_back() {
    let known = &vectors()["signed_note"];
    let key: VerifierKey = text(&known["vkey"]).parse().unwrap();
    assert_eq!(key.to_string(), text(&known["vkey"]));
    let note = Note::parse(&text(&known["note"])).unwrap();
    assert_eq!((note.verify(&key), note.text.as_str()), (Ok(()), known["text"].as_str().unwrap()));
    assert_eq!(note.to_string(), text(&known["note"]));
}

#[test]
fn a_checkpoint_its_cosignature_and_a_proof_are_written_byte_for_byte() {
    let known = &vectors()["checkpoint"];
    let key =
        LogKey::of_seed("countersign.example/audit", KeyKind::Log, &seed(&known["log_seed_hex"]))
            .unwrap();
    let witness =
        LogKey::of_seed("witness.example/w1", KeyKind::Witness, &seed(&known["witness_seed_hex"]))
            .unwrap();
    assert_eq!(key.public().to_string(), text(&known["log_vkey"]));
    assert_eq!(witness.public().to_string(), text(&known["witness_vkey"]));
    let leaves = leaves();
    let log = Log::of(leaves.iter().map(Vec::as_slice));
    let origin = key.public().name.clone();
    let checkpoint = Checkpoint { origin, size: 8, root: log.edge.root() };
    let mut note = checkpoint.signed(&key);
    assert_eq!(note.to_string(), text(&known["checkpoint"]));
    assert_eq!(Checkpoint::open(&note, key.public()), Ok(checkpoint.clone()));
    let request = AddCheckpoint {
        old: 6,
        proof: log.answer(Question::Consistency { old: 6, size: 8 }),
        checkpoint: note.clone(),
    };
    assert_eq!(request.to_string(), text(&known["add_checkpoint_request"]));
    assert_eq!(AddCheckpoint::parse(&request.to_string()), Ok(request.clone()));
    let seen = (6, hash(&vectors()["rfc6962"]["roots_hex"][6]));
    assert_eq!(request.judge(key.public(), seen), Ok(checkpoint));
    let seconds = known["timestamp"].as_u64().unwrap();
    let line = cosignature::cosign(&note.text, &witness, seconds);
    assert_eq!(line.to_string(), text(&known["witness_line"]));
    note.signatures.push(line);
    assert_eq!(cosignature::verify(&note, witness.public()), Ok(seconds));
    let proof = log.answer(Question::Inclusion { index: 5, size: 8 });
    let file = ProofFile { extra: None, index: 5, proof, checkpoint: note };
    assert_eq!(file.to_string(), text(&known["tlog_proof_leaf_5"]));
    let read = ProofFile::parse(&file.to_string()).unwrap();
    assert_eq!(read.verify(&leaves[5], key.public()).unwrap().size, 8);
    assert!(read.verify(&leaves[4], key.public()).is_err());
}

#[test]
fn the_tiles_of_600_entries_are_the_known_files() {
    let known = &vectors()["tiles"];
    let entries: Vec<_> = (0..600_u32).map(u32::to_be_bytes).collect();
    let log = Log::of(entries.iter().map(<[u8; 4]>::as_slice));
    assert_eq!(log.edge.root(), hash(&known["root_hex"]));
    let contents = [Content::Hashes(0), Content::Hashes(1), Content::Entries];
    let paths: Vec<_> =
        contents.into_iter().flat_map(|content| TilePath::of_level(content, 600, 0)).collect();
    let names: Vec<_> = paths.iter().map(TilePath::to_string).collect();
    assert_eq!(Value::from(names), known["paths"]);
    for path in &paths {
        let bytes = match path.content {
            Content::Entries => {
                let from = path.number as usize * 256;
                bundle(
                    entries[from..from + usize::from(path.width)].iter().map(<[u8; 4]>::as_slice),
                )
            }
            Content::Hashes(level) => hashes_to_bytes(&log.tiles[&(level, path.number)]),
        };
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        if let Some(expected) = known["sha256_of_file"].get(path.to_string()) {
            assert_eq!(HEXLOWER.encode(digest.as_ref()), expected.as_str().unwrap(), "{path}");
        }
    }
    let edge = Edge::tiles_of(600)
        .into_iter()
        .map(|(level, number, _)| log.tiles[&(level, number)].clone());
    assert_eq!(Edge::of(600, edge.collect()).unwrap().root(), log.edge.root());
}
