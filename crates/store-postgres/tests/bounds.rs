//! A database that does not respond: every command and every read ends in time, and work continues when the database does.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use countersign_domain::challenge::Verdict;
use countersign_domain::delivery::InitialState;
use countersign_store::conformance::Fixture;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Answer, Notified, Opened, Recorded};
use countersign_store::{Store, StoreError};
use countersign_store_postgres::{Options, PostgresStore};
use countersign_testkit::postgres::{PostgresServer, TestDatabase};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

/// The time limit of a command in these tests, and how long a test waits for a command that does not end.
const PATIENCE: Duration = Duration::from_secs(2);
const NEVER: Duration = Duration::from_secs(60);
/// Notifications stored before the connections are closed again.
const BETWEEN: usize = 12;

async fn fixture(options: Options) -> Fixture {
    let options = Options { timeout: PATIENCE, ..options };
    Fixture::new(Arc::new(PostgresStore::connect(options).await.unwrap()) as Arc<dyn Store>)
}

async fn beside(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn is_unavailable<T: std::fmt::Debug>(
    what: &str,
    answer: impl Future<Output = StoreResult<T>>,
) {
    let answer = tokio::time::timeout(NEVER, answer).await;
    let answer = answer.unwrap_or_else(|_| panic!("{what} never ends"));
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{what}: {answer:?}");
}

/// Waits until no server process waits for a lock.
async fn nobody_waits(client: &Client) {
    let waiting = "SELECT 1 FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let none = async { while !client.query(waiting, &[]).await.unwrap().is_empty() {} };
    tokio::time::timeout(NEVER, none).await.unwrap();
}

async fn a_locked_table_makes_all_of_it_unavailable(fixture: &Fixture, url: &str) {
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let lease = fixture.leased(&challenge).await;
    let other = beside(url).await;
    other.batch_execute("BEGIN; LOCK TABLE challenges IN ACCESS EXCLUSIVE MODE").await.unwrap();

    let (store, owner, now) = (&fixture.store, &challenge.owner, fixture.now());
    let read = || store.challenge(owner.service, &owner.identity, challenge.sid);
    is_unavailable("a read", read()).await;
    let answer = || store.answer_challenge(Answer::new(challenge.sid, Verdict::Approved, now));
    is_unavailable("an answer", answer()).await;
    let new = fixture.make.notification(&challenge, 300, InitialState::Due);
    is_unavailable("a notification", store.notify(&new, 0)).await;
    is_unavailable("the check for readiness", store.check()).await;
    // More than the number of connections and workers.
    let mut many = JoinSet::new();
    for _ in 0..40 {
        let (store, new) = (Arc::clone(store), new);
        many.spawn(async move { is_unavailable("one of many", store.notify(&new, 0)).await });
    }
    many.join_all().await;
    nobody_waits(&other).await;

    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(store.check().await, Ok(()));
    assert!(read().await.unwrap().is_some());
    let new = fixture.make.notification(&challenge, 300, InitialState::Due);
    assert_eq!(store.notify(&new, 0).await, Ok(Notified::Done(None)));
    assert!(fixture.settle(&lease, fixture.delivered()).await);
    assert_eq!(answer().await, Ok(Recorded::Done));
    let again = fixture.make.challenge(&factor);
    assert_eq!(fixture.open(&again, None).await, Opened::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_makes_commands_time_out() {
    let database = TestDatabase::new();
    let url = database.url();
    let fixture = fixture(Options { url: url.clone(), ..Options::default() }).await;
    a_locked_table_makes_all_of_it_unavailable(&fixture, &url).await;
}

/// A pooled connection keeps no setting between two transactions.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_makes_commands_time_out_through_a_pooler() {
    let database = TestDatabase::new();
    let pooler = database.pooled();
    let options = Options { url: pooler.url(), transaction_pooling: true, ..Options::default() };
    a_locked_table_makes_all_of_it_unavailable(&fixture(options).await, &database.url()).await;
}

/// Like a machine that hangs: the connection is open, and nothing comes over it.
#[tokio::test]
async fn silent_connections_are_closed_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start(folder.path(), &[]);
    let url = server.url("postgres");
    let fixture = fixture(Options { url: url.clone(), ..Options::default() }).await;
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let other = beside(&url).await;
    let ours = "SELECT pid FROM pg_stat_activity WHERE application_name = 'countersign'";
    let ours = other.query(ours, &[]).await.unwrap();
    let ours: Vec<String> = ours.iter().map(|row| row.get::<_, i32>(0).to_string()).collect();
    let signal = |name: &str| {
        assert!(Command::new("kill").args(["-s", name]).args(&ours).status().unwrap().success());
    };
    signal("STOP");
    let (store, owner) = (&fixture.store, &challenge.owner);
    for _ in &ours {
        let read = store.challenge(owner.service, &owner.identity, challenge.sid);
        is_unavailable("a read", read).await;
    }
    assert_eq!(store.check().await, Ok(()));
    let new = fixture.make.notification(&challenge, 300, InitialState::Due);
    assert_eq!(store.notify(&new, 0).await, Ok(Notified::Done(None)));
    signal("CONT");
}

/// No caller gets an error, and nothing is written twice.
#[tokio::test(flavor = "multi_thread")]
async fn commands_run_again_when_all_connections_are_closed() {
    let database = TestDatabase::new();
    let url = database.url();
    let timeout = Duration::from_secs(20);
    let store = PostgresStore::connect(Options { url: url.clone(), timeout, ..Options::default() });
    let fixture = Fixture::new(Arc::new(store.await.unwrap()) as Arc<dyn Store>);
    let factor = fixture.factor().await;
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let mut work = JoinSet::new();
    for _ in 0..24 {
        let (fixture, factor, stop) = (fixture.clone(), factor.clone(), Arc::clone(&stop));
        let done = Arc::clone(&done);
        work.spawn(async move {
            let mut notifications = 0;
            while !stop.load(Ordering::Relaxed) {
                let challenge = fixture.challenge(&factor).await;
                for birth in [InitialState::Due, InitialState::Immediate, InitialState::Parked] {
                    let new = fixture.make.notification(&challenge, 300, birth);
                    let notified = fixture.store.notify(&new, 0).await;
                    assert!(matches!(notified, Ok(Notified::Done(_))), "{notified:?}");
                    notifications += 1;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                assert!(fixture.challenge_now(&challenge).await.is_some());
                fixture.answer(&challenge).await;
            }
            notifications
        });
    }
    let other = beside(&url).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE application_name = 'countersign' AND datname = current_database()";
    let mut ended = 0;
    while ended < 400 {
        ended += other.query(end, &[]).await.unwrap().len();
        // Some commands finish in between, however slow the machine is.
        let enough = done.load(Ordering::Relaxed) + BETWEEN;
        while done.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let notifications: usize = work.join_all().await.iter().sum();
    let stored = "SELECT count(*) || ' ' || count(DISTINCT sid) FROM notifications";
    assert_eq!(database.psql(stored), format!("{notifications} {notifications}"));
    assert_eq!(database.psql("SELECT count(*) FROM challenges WHERE state = 'pending'"), "0");
}
