//! Every rule of the store holds while connections break at every commit: committed commands do not run twice, others run again, and no
//! caller gets an error.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use countersign_domain::account::Account;
use countersign_domain::totp_code::CodeVerdict;
use countersign_store::Store;
use countersign_store::conformance::Fixture;
use countersign_store::seam::{CodeUse, Enrolled, Inserted, Updated, Upkeep as _};
use countersign_store_postgres::{Options, PostgresStore};
use countersign_testkit::postgres::TestDatabase;
use countersign_testkit::proxy::{Commit, FaultyProxy};
use tokio::task::JoinSet;

/// Of five commits, the first is executed and not acknowledged, and the third never arrives. The query for the status of a commit is a commit
/// too, so with an even number one command would meet the same failure for ever.
const COMMITS: [Commit; 5] =
    [Commit::Unanswered, Commit::Passes, Commit::Unsent, Commit::Passes, Commit::Passes];

/// Longer than the longest test.
const TIMEOUT: Duration = Duration::from_secs(60);

async fn connect(url: String) -> PostgresStore {
    PostgresStore::connect(Options { url, timeout: TIMEOUT, ..Options::default() }).await.unwrap()
}

async fn fresh() -> (Arc<dyn Store>, (FaultyProxy, TestDatabase)) {
    let database = TestDatabase::new();
    let wire = database.wire();
    let store = connect(database.url_over(&wire)).await;
    wire.on_commits(&COMMITS);
    (Arc::new(store), (wire, database))
}

countersign_store::conformance!(fresh);

#[tokio::test]
async fn the_schema_is_made_once() {
    for first in [Commit::Unanswered, Commit::Unsent] {
        let commits = [first, Commit::Passes, Commit::Passes];
        let database = TestDatabase::new();
        let wire = database.wire();
        wire.on_commits(&commits);
        let store = connect(database.url_over(&wire)).await;
        assert_eq!(store.check().await, Ok(()));
    }
}

/// One command of each type that does not share transactions; each is written once.
async fn write_one_of_each(fixture: &Fixture) {
    let (store, make) = (&fixture.store, &fixture.make);
    let account = fixture.account().await;
    let renamed = Account { updated_at: fixture.later(1), ..account.clone() };
    assert_eq!(store.update_account(&renamed, account.updated_at).await, Ok(Updated::Done));
    let key = make.api_key(&account);
    assert_eq!(store.create_api_key(&key).await, Ok(Inserted::Done));
    assert_eq!(store.delete_api_key(key.sid).await, Ok(true));
    let credential = make.credential(&account);
    assert_eq!(store.create_credential(&credential).await, Ok(Inserted::Done));
    assert_eq!(store.delete_credential(credential.sid).await, Ok(true));
    let service = make.service(&account);
    assert_eq!(store.create_service(&service).await, Ok(Inserted::Done));
    let webhook = make.webhook(&service);
    assert_eq!(store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));
    let identity = make.identity();
    let token = make.access_token(&service, &identity);
    assert_eq!(store.create_access_token(&token).await, Ok(Inserted::Done));
    let factor = make.factor(&make.entity(&service, &identity).owner);
    let Enrolled::Done(entity) = fixture.enrol(&factor, Some(token.sid)).await else {
        panic!("the token was spent by the same command");
    };
    let codes = fixture.totp_factor_of(&service, &identity).await;
    let challenge = fixture.code_challenge(&codes).await;
    let wrong = fixture.shown(&codes, CodeVerdict::Wrong);
    for _ in 0..2 {
        let shown = store.answer_by_code(challenge.sid, wrong, 3, None, fixture.now()).await;
        assert_eq!(shown, Ok(Ok(CodeUse::Wrong)), "a wrong code is counted once");
    }
    let right = fixture.shown(&codes, CodeVerdict::Right(77));
    let shown = store.answer_by_code(challenge.sid, right, 3, None, fixture.now()).await;
    assert_eq!(shown, Ok(Ok(CodeUse::Accepted(()))));
    assert_eq!(store.delete_factor(entity, factor.sid, fixture.now()).await, Ok(true));
    assert_eq!(store.delete_webhook(service.sid, webhook.sid).await, Ok(true));
    assert_eq!(store.delete_entity(service.sid, &identity, fixture.now()).await, Ok(true));
    assert_eq!(store.delete_service(service.sid, fixture.now()).await, Ok(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_and_while_all_connections_are_cut_each_command_is_written_once() {
    const TASKS: usize = 12;
    const CUTS: usize = 100;
    let database = TestDatabase::new();
    let wire = database.wire();
    let store = Arc::new(connect(database.url_over(&wire)).await) as Arc<dyn Store>;
    let fixture = Fixture::new(store);
    let is_over = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (fixture, is_over, written) =
            (fixture.clone(), Arc::clone(&is_over), Arc::clone(&written));
        tasks.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                write_one_of_each(&fixture).await;
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for _ in 0..CUTS {
        wire.cut();
        // So that some commands finish in between.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    let written = written.load(Ordering::Relaxed);
    let accounts = database.psql("SELECT count(*) FROM accounts");
    assert_eq!(accounts, written.to_string(), "one account in each round");
}
