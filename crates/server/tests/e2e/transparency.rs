//! The transparency log: what gets into it, as anybody reads and checks it.

#![expect(clippy::unwrap_used, reason = "helpers of tests: an unwrap is an assertion")]

mod witness;

use std::collections::HashMap;
use std::time::Duration;

use countersign_phone::Verdict;
use countersign_tlog::tile::unbundle;
use countersign_tlog::{Checkpoint, Note, VerifierKey, cosignature};
use serde_json::Value;
use tlog_tiles::{Tile, TileHashReader, TileReader, tlog};

use crate::support::TestApp;
use witness::TestWitness;

const ON: &str = "transparency.enabled=true";

/// The key of the log of a server.
async fn key(app: &TestApp) -> VerifierKey {
    app.server().verify.log_key().await.unwrap().unwrap().public().clone()
}

/// Fetches a file of the log without credentials; `None` if it is not there.
async fn file(app: &TestApp, path: &str) -> Option<Vec<u8>> {
    let url = format!("http://{}/log/{path}", app.address());
    let response = reqwest::Client::new().get(url).send().await.unwrap();
    match response.status().as_u16() {
        200 => Some(response.bytes().await.unwrap().to_vec()),
        404 => None,
        other => panic!("{path}: {other}"),
    }
}

async fn checkpoint(app: &TestApp) -> (Note, Checkpoint) {
    let text = String::from_utf8(file(app, "checkpoint").await.unwrap()).unwrap();
    let note = Note::parse(&text).unwrap();
    let checkpoint = Checkpoint::open(&note, &key(app).await).unwrap();
    (note, checkpoint)
}

/// Waits until everything so far is in the checkpoint: a sweep that began before may have missed it, the next has not.
async fn publish(app: &TestApp) {
    let signals = app.server().engine.signals();
    for _ in 0..2 {
        let before = signals.counts().integrator_sweeps;
        app.clock.advance(Duration::from_secs(2));
        signals.wait_for(|counts| counts.integrator_sweeps > before).await;
    }
}

/// The entries of a log of fewer than 256, each checked by its hash in the tile, and the tile by the root.
async fn entries(app: &TestApp) -> Vec<Value> {
    let (_, checkpoint) = checkpoint(app).await;
    let width = checkpoint.size;
    assert!((1..256).contains(&width), "{width}");
    let bundle = file(app, &format!("tile/entries/000.p/{width}")).await.unwrap();
    let hashes = file(app, &format!("tile/0/000.p/{width}")).await.unwrap();
    let entries = unbundle(&bundle).unwrap();
    let fetched = Fetched([(format!("tile/0/000.p/{width}"), hashes)].into());
    let root = tlog::Hash(checkpoint.root.0);
    let hashes = TileHashReader::new(width, root, &fetched);
    for (index, entry) in (0..).zip(&entries) {
        let proof = tlog::prove_record(width, index, &hashes).unwrap();
        tlog::check_record(&proof, width, root, index, tlog::record_hash(entry)).unwrap();
    }
    entries.iter().map(|entry| serde_json::from_slice(entry).unwrap()).collect()
}

/// The tiles that were fetched, for a foreign reader, which checks them by the root.
struct Fetched(HashMap<String, Vec<u8>>);

impl TileReader for Fetched {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog::Error> {
        let read = |tile: &Tile| self.0[&tile.path().replace("tile/8/", "tile/")].clone();
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The kinds of the entries about a resource.
fn kinds<'a>(entries: &'a [Value], subject: &str) -> Vec<&'a str> {
    let about = entries.iter().filter(|entry| entry["subject"] == subject);
    about.map(|entry| entry["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_challenge_leaves_its_trail_in_the_log() {
    let app = TestApp::start_with(&[ON]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let answered = app.challenge(&phone, "Log in?").await;
    phone.answer(&answered, Verdict::Approved).await.unwrap();
    let left = app.challenge(&phone, "Log in again?").await;
    publish(&app).await;
    let all = entries(&app).await;
    assert_eq!(kinds(&all, &answered), ["challenge.created", "challenge.approved"]);
    assert_eq!(kinds(&all, phone.factor_sid()), ["factor.created", "factor.verified"]);
    assert_eq!(kinds(&all, &app.service), ["service.created"]);
    assert_eq!(kinds(&all, &left), ["challenge.created"]);
    let text = serde_json::to_string(&all).unwrap();
    assert!(!text.contains("alice-0001") && !text.contains("Log in"), "{text}");

    app.clock.advance(Duration::from_secs(24 * 60 * 60));
    publish(&app).await;
    publish(&app).await;
    assert_eq!(kinds(&entries(&app).await, &left), ["challenge.created", "challenge.expired"]);
}

#[tokio::test]
async fn a_checkpoint_changes_only_when_something_did() {
    let app = TestApp::start_with(&[ON]).await;
    publish(&app).await;
    let before = checkpoint(&app).await.0;
    publish(&app).await;
    assert_eq!(checkpoint(&app).await.0, before);
    app.enrol_phone("alice-0001").await;
    publish(&app).await;
    assert!(checkpoint(&app).await.1.size > Checkpoint::of_note(&before).unwrap().size);
}

#[tokio::test]
async fn without_the_setting_there_is_no_log() {
    let app = TestApp::start().await;
    app.enrol_phone("alice-0001").await;
    for path in ["checkpoint", "tile/0/000", "tile/entries/000.p/1", "tile/entries", "tile/0/0"] {
        assert_eq!(file(&app, path).await, None, "{path}");
    }
}

#[tokio::test]
async fn a_crash_loses_no_entry_of_what_was_acknowledged() {
    let mut app = TestApp::start_with(&[ON]).await;
    let phone = app.enrol_phone("alice-0001").await;
    publish(&app).await;
    let before = checkpoint(&app).await.1;
    let sid = app.challenge(&phone, "Log in?").await;
    phone.answer(&sid, Verdict::Denied).await.unwrap();
    // The entries are made by the next run, under the same key.
    let key = key(&app).await;
    app.crash_and_restart().await;
    assert_eq!(self::key(&app).await, key);
    publish(&app).await;
    assert_eq!(kinds(&entries(&app).await, &sid), ["challenge.created", "challenge.denied"]);
    let after = checkpoint(&app).await.1;
    let proof = app.server().verify.log_consistency(before.size, after.size).await.unwrap();
    let proof = proof.iter().map(|hash| tlog::Hash(hash.0)).collect();
    let [old, new] = [before.root, after.root].map(|root| tlog::Hash(root.0));
    tlog::check_tree(&proof, after.size, new, before.size, old).unwrap();
}

/// Both make entries of what either has changed.
#[tokio::test]
async fn two_nodes_share_one_log() {
    let app = TestApp::start_with(&[ON]).await;
    let there = app.other_node().await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut sids = Vec::new();
    for _ in 0..4 {
        let sid = app.challenge(&phone, "Log in?").await;
        phone.answer(&sid, Verdict::Approved).await.unwrap();
        sids.push(sid);
        app.clock.advance(Duration::from_secs(2));
    }
    publish(&app).await;
    publish(&app).await;
    let all = entries(&app).await;
    for sid in &sids {
        assert_eq!(kinds(&all, sid), ["challenge.created", "challenge.approved"]);
    }
    there.stop().await;
}

#[tokio::test]
async fn a_foreign_reader_of_tiles_gets_every_entry_of_a_long_log() {
    let app = TestApp::start_with(&[ON, "limits.services_per_account=0"]).await;
    for number in 0..270 {
        let name = format!("service {number}");
        app.api().post("/v2/Services", &[("FriendlyName", &name)]).await.expect(201);
    }
    publish(&app).await;
    let (_, checkpoint) = checkpoint(&app).await;
    let size = checkpoint.size;
    assert!(size > 256);
    let mut tiles = HashMap::new();
    for path in [
        "tile/0/000".to_owned(),
        format!("tile/0/001.p/{}", size - 256),
        "tile/1/000.p/1".to_owned(),
    ] {
        tiles.insert(path.clone(), file(&app, &path).await.unwrap());
    }
    let reader = Fetched(tiles);
    let root = tlog::Hash(checkpoint.root.0);
    let hashes = TileHashReader::new(size, root, &reader);
    let bundle = unbundle(&file(&app, "tile/entries/000").await.unwrap()).unwrap();
    for index in [0, 7, 255] {
        let proof = tlog::prove_record(size, index, &hashes).unwrap();
        let leaf = tlog::record_hash(&bundle[usize::try_from(index).unwrap()]);
        tlog::check_record(&proof, size, root, index, leaf).unwrap();
        let ours = app.server().verify.log_proof(index).await.unwrap();
        assert!(ours.to_string().len() < 2_048);
    }
}

#[tokio::test]
async fn a_witness_cosigns_what_continues_the_log_that_it_saw() {
    let (witness, setting) = TestWitness::start().await;
    let mut app = TestApp::start_with(&[ON, &setting]).await;
    publish(&app).await;
    let (note, _) = checkpoint(&app).await;
    assert!(cosignature::verify(&note, witness.key()).is_err(), "it does not know the log");
    witness.register(&key(&app).await);
    app.enrol_phone("alice-0001").await;
    publish(&app).await;
    let (note, first) = checkpoint(&app).await;
    assert_eq!(cosignature::verify(&note, witness.key()), Ok(1_767_225_600));
    // A new run does not remember what the witness saw, and asks it.
    app.crash_and_restart().await;
    app.enrol_phone("bob-00001").await;
    publish(&app).await;
    let (note, second) = checkpoint(&app).await;
    assert!(cosignature::verify(&note, witness.key()).is_ok());
    let cosigned = witness.cosigned.lock().unwrap().clone();
    assert!(cosigned.contains(&first.size) && cosigned.contains(&second.size), "{cosigned:?}");
}
