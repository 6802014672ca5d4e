//! The master key is changed while servers run.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::integration::IntegrationKind;
use countersign_domain::sealing_key::SealingKeyId;
use countersign_domain::secret::Secret;
use countersign_domain::world::Clock as _;
use countersign_server::wiring::Server;
use countersign_store::moving::Resealing;
use countersign_testkit::SeededEntropy;
use countersign_verify::provider_tokens::NewProviderToken;
use countersign_verify::rotation::{self, RotationError, RotationState};
use countersign_verify::{Keys, MasterKey, Verify};

use crate::support::{TestApp, master_key};
use crate::totp;

/// The name of a key of Apple's.
const APPLE_KEY: [u8; 16] = [7; 16];

fn new_key() -> MasterKey {
    MasterKey::new([2; 32])
}

/// The number of stored secrets under each key, and the columns that have any.
async fn secrets(database: &dyn Resealing, keys: &Keys) -> (Vec<(u8, u64)>, Vec<String>) {
    let uses = rotation::survey(database, keys).await.expect("a survey");
    let count = |cells: &[(&str, &str, u64)]| cells.iter().map(|(_, _, count)| count).sum();
    let columns = uses.iter().flat_map(|key| &key.cells);
    let columns = columns.map(|(table, column, _)| format!("{table}.{column}")).collect();
    (uses.iter().map(|key| (key.id.0, count(&key.cells))).collect(), columns)
}

/// Stores a secret of every kind but that of the backchannel; returns the SID of a TOTP factor.
async fn furnish(app: &TestApp) -> String {
    let verify = &app.server().verify;
    verify.rotate_token(app.account.parse().expect("a SID")).await.expect("a token");
    app.api().post("/v1/Credentials", &[("Type", "gcm"), ("Secret", "hush")]).await.expect(201);
    let path = format!("/v2/Services/{}/Integrations", app.service);
    app.api().post(&path, &[("FriendlyName", "ssh"), ("Kind", "duo")]).await.expect(201);
    verify.key_ring().await.expect("keys");
    let now = app.clock.now();
    let new = NewProviderToken { key: APPLE_KEY, version: 1, signed_at: now, forced_at: None };
    verify.renew_provider_token(new, &Secret::new("bearer")).await.expect("a token");
    totp::verified(app, 6).await.1
}

/// A running server opens a secret of every kind.
async fn opens_everything(app: &TestApp, verify: &Verify) {
    let account = verify.account(app.account.parse().expect("a SID")).await.expect("an account");
    assert_eq!(verify.primary_token(&account).await.expect("it opens").expose(), app.token);
    let kind = IntegrationKind::Duo;
    assert_eq!(verify.opened_integrations(kind).await.expect("they open").len(), 1);
    let token = verify.provider_token(APPLE_KEY).await.expect("it opens").expect("a token");
    assert_eq!(token.1.expose(), "bearer");
    assert!(verify.log_key().await.expect("it opens").is_some());
    verify.key_ring().await.expect("they open");
}

/// The kinds of change in the log, once everything so far is in it.
async fn changes(app: &TestApp) -> Vec<String> {
    let signals = app.server().engine.signals();
    let store = app.store().await;
    // Either server makes the entries.
    while !store.facts(1).await.expect("facts").is_empty() {
        let before = signals.counts().integrator_sweeps;
        app.clock.advance(Duration::from_secs(2));
        signals.wait_for(|counts| counts.integrator_sweeps > before).await;
    }
    let entries = app.server().verify.log_entries(0, 500).await.expect("entries");
    let kind = |entry: &str| {
        let entry: serde_json::Value = serde_json::from_str(entry).expect("JSON");
        entry["kind"].as_str().expect("a kind").to_owned()
    };
    let kinds = entries.iter().map(|entry| kind(&entry.entry));
    kinds.filter(|kind| kind.ends_with(".changed")).collect()
}

/// What ends a process after its first command.
fn die(_: &'static str, _: u64) {
    panic!("the process is killed");
}

struct Play {
    app: TestApp,
    there: Server,
    totp: String,
}

impl Play {
    async fn begin() -> Self {
        let app = TestApp::start_with(&["transparency.enabled=true"]).await;
        let totp = furnish(&app).await;
        let there = app.other_node().await;
        Self { app, there, totp }
    }

    /// Both servers open everything, also what they had in their caches, and answer a code.
    async fn both_servers_go_on(&self) {
        // Longer than anything is cached, and a code of another time step.
        self.app.clock.advance(Duration::from_secs(61));
        let code = totp::code(&self.app, 6);
        let challenge = totp::challenge(&self.app, &self.totp, Some(&code)).await;
        assert_eq!(challenge.expect(201)["status"], "approved");
        for server in [self.app.server(), &self.there] {
            opens_everything(&self.app, &server.verify).await;
        }
    }

    /// Begins a rotation beside the servers, and seals everything anew.
    async fn rotate(&self, from: &MasterKey, to: &MasterKey) {
        let (database, keys) = self.app.resealing(from).await.expect("the key opens it");
        let (now, entropy) = (self.app.clock.now(), SeededEntropy::new(9));
        rotation::begin(&*database, &keys, to, now, &entropy).await.expect("it begins");
        rotation::reseal(&*database, &keys, &entropy, |_, _| ()).await.expect("sealed");
    }

    async fn finish(&self, key: &MasterKey) -> Result<(), RotationError> {
        let (database, keys) = self.app.resealing(key).await.expect("the key opens it");
        rotation::end(&*database, &keys, false, self.app.clock.now()).await
    }
}

#[tokio::test]
async fn the_master_key_is_changed_while_two_servers_run() {
    let play = Play::begin().await;
    let (app, new) = (&play.app, new_key());
    let (database, keys) = app.resealing(&master_key()).await.expect("the key opens it");
    let (before, columns) = secrets(&*database, &keys).await;
    assert_eq!(
        columns,
        [
            "accounts.primary_sealed",
            "accounts.secondary_sealed",
            "credentials.secrets",
            "integrations.secret",
            "totp_factors.secret",
            "provider_tokens.token",
            "signing_keys.key",
            "tlog_state.key",
        ]
    );
    let all = before[0].1;
    assert_eq!(before, [(1, all)]);
    let changed = changes(app).await;

    play.rotate(&master_key(), &new).await;
    play.both_servers_go_on().await;
    let (database, keys) = app.resealing(&new).await.expect("the new key opens it");
    assert_eq!(secrets(&*database, &keys).await.0, [(1, 0), (2, all)]);
    for key in [&master_key(), &new] {
        let started = app.other_node_with(key).await.expect("servers start with either key");
        opens_everything(app, &started.verify).await;
        started.stop().await;
    }
    assert_eq!(play.finish(&master_key()).await, Err(RotationError::OldKey));
    assert_eq!(play.finish(&new).await, Ok(()));
    assert_eq!(rotation::state(&*database, &keys).await, Ok(RotationState::Idle));
    assert_eq!(play.finish(&new).await, Err(RotationError::NotBegun));

    // The old key opens nothing any more; the servers go on, and what they seal is under the new key.
    assert!(app.resealing(&master_key()).await.is_err());
    assert!(app.other_node_with(&master_key()).await.is_err());
    play.both_servers_go_on().await;
    play.there.verify.create_account("shop").await.expect("an account");
    assert_eq!(secrets(&*database, &keys).await.0, [(1, 0), (2, all + 1)]);

    // Servers that know neither master key learn the next sealing key as well.
    let third = MasterKey::new([3; 32]);
    play.rotate(&new, &third).await;
    play.both_servers_go_on().await;
    assert_eq!(play.finish(&third).await, Ok(()));
    play.both_servers_go_on().await;
    assert!(app.resealing(&new).await.is_err());
    let (database, keys) = app.resealing(&third).await.expect("the third key opens it");
    assert_eq!(secrets(&*database, &keys).await.0, [(1, 0), (2, 0), (3, all + 1)]);
    assert_eq!(changes(app).await, changed, "that a secret was sealed anew is no change of it");
}

#[tokio::test]
async fn a_rotation_that_was_cut_off_goes_on() {
    let app = TestApp::start().await;
    let (verify, new) = (&app.server().verify, new_key());
    for _ in 0..450 {
        verify.create_account("one").await.expect("an account");
    }
    let (database, keys) = app.resealing(&master_key()).await.expect("the key opens it");
    let entropy = SeededEntropy::new(9);
    rotation::begin(&*database, &keys, &new, app.clock.now(), &entropy).await.expect("it begins");
    // A process that ends after the first command that sealed cells anew.
    let cut_off = tokio::spawn({
        let database = Arc::clone(&database);
        async move { rotation::reseal(&*database, &keys, &SeededEntropy::new(10), die).await }
    });
    assert!(cut_off.await.expect_err("it was cut off").is_panic());

    let (database, keys) = app.resealing(&master_key()).await.expect("the old key opens it");
    let (half, _) = secrets(&*database, &keys).await;
    assert!(half.iter().all(|(_, cells)| *cells > 0), "{half:?}");
    let again = rotation::begin(&*database, &keys, &new, app.clock.now(), &entropy).await;
    assert_eq!(again, Ok(()));
    let other = MasterKey::new([5; 32]);
    let third = rotation::begin(&*database, &keys, &other, app.clock.now(), &entropy).await;
    assert_eq!(third, Err(RotationError::OtherRotation));
    let done = rotation::reseal(&*database, &keys, &entropy, |_, _| ()).await.expect("sealed");
    assert_eq!((done.cells, done.broken), (half[0].1, 0));
    let all = half[0].1 + half[1].1;
    assert_eq!(secrets(&*database, &keys).await.0, [(1, 0), (2, all)]);
    app.clock.advance(Duration::from_secs(11));
    assert_eq!(app.api().get("/v2/Services").await.status, 200);
}

#[tokio::test]
async fn a_rotation_is_abandoned_with_the_old_key() {
    let app = TestApp::start().await;
    let (old, new) = (master_key(), new_key());
    let (database, keys) = app.resealing(&old).await.expect("the key opens it");
    let (now, entropy) = (app.clock.now(), SeededEntropy::new(9));
    let same = rotation::begin(&*database, &keys, &old, now, &entropy).await;
    assert_eq!(same, Err(RotationError::SameKey));
    rotation::begin(&*database, &keys, &new, now, &entropy).await.expect("it begins");
    rotation::reseal(&*database, &keys, &entropy, |_, _| ()).await.expect("sealed");
    let (_, with_new) = app.resealing(&new).await.expect("the new key opens it");
    let refused = rotation::end(&*database, &with_new, true, now).await;
    assert_eq!(refused, Err(RotationError::NewKey));
    assert_eq!(rotation::end(&*database, &keys, true, now).await, Ok(()));
    assert!(app.resealing(&new).await.is_err());
    let (_, keys) = app.resealing(&old).await.expect("the old key opens it");
    assert_eq!(keys.newest(), SealingKeyId(2));
    app.clock.advance(Duration::from_secs(11));
    assert_eq!(app.api().get("/v2/Services").await.status, 200);
}

/// Pages and tokens that were handed out before a rotation work until it is finished.
#[tokio::test]
async fn what_was_handed_out_works_until_the_rotation_is_finished() {
    let play = Play::begin().await;
    let (app, new) = (&play.app, new_key());
    let (here, there) = (&app.server().verify, &play.there.verify);
    let before = here.seal_carried("page", "before");
    play.rotate(&master_key(), &new).await;
    // The new key is not known to all yet, so what is handed out still opens everywhere.
    let early = there.seal_carried("page", "early");
    for sealed in [&before, &early] {
        assert!(here.open_carried("page", sealed).is_some());
    }
    app.clock.advance(Duration::from_secs(61));
    for verify in [here, there] {
        verify.learn_keys().await.expect("learned");
    }
    let late = there.seal_carried("page", "late");
    for sealed in [&before, &early, &late] {
        assert!(here.open_carried("page", sealed).is_some());
    }
    play.finish(&new).await.expect("it ends");
    for verify in [here, there] {
        verify.learn_keys().await.expect("learned");
    }
    let opened = [&before, &early, &late].map(|it| here.open_carried("page", it).is_some());
    assert_eq!(opened, [false, false, true]);
}
