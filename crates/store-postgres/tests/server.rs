//! Rules that hold only for a server that nodes share, that can fail, and that is reached over a network.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::delivery::InitialState;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock as _;
use countersign_store::conformance::{Fixture, newer};
use countersign_store::schema::SchemaPolicy;
use countersign_store::seam::{
    Accounts, Deliveries, Inserted, LogoChange, Notifications, Notified, Updated, Upkeep,
};
use countersign_store::{Store, StoreError};
use countersign_store_postgres::{Options, PostgresStore};
use countersign_testkit::postgres::{PostgresServer, TestDatabase};
use countersign_testkit::{Fixtures, ManualClock};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

async fn connect(url: String) -> PostgresStore {
    // Longer than any command takes, also on a busy machine.
    let timeout = Duration::from_secs(60);
    PostgresStore::connect(Options { url, timeout, ..Options::default() }).await.unwrap()
}

fn fixture(store: PostgresStore) -> Fixture {
    Fixture::new(Arc::new(store) as Arc<dyn Store>)
}

/// A server for one test.
fn server(settings: &[&str]) -> (PostgresServer, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (PostgresServer::start(folder.path(), settings), folder)
}

#[tokio::test]
async fn any_number_of_nodes_may_start_at_once() {
    let database = TestDatabase::new();
    let mut nodes = JoinSet::new();
    for _ in 0..6 {
        nodes.spawn(connect(database.url()));
    }
    assert_eq!(nodes.join_all().await.len(), 6);
}

/// The silent server accepts connections and sends nothing, like one whose processes are stopped.
#[tokio::test]
async fn of_several_servers_a_silent_one_is_skipped() {
    let database = TestDatabase::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = database.url().replace('@', &format!("@{},", silent.local_addr().unwrap()));
    let timeout = Duration::from_secs(4);
    let options = Options { url, timeout, ..Options::default() };
    let store = PostgresStore::connect(options).await.unwrap();
    assert_eq!(store.check().await, Ok(()));
}

#[tokio::test]
async fn one_node_reads_the_writes_of_another_at_once() {
    let database = TestDatabase::new();
    let (one, other) = (connect(database.url()).await, connect(database.url()).await);
    let make = Fixtures::new(3);
    for _ in 0..20 {
        let account = make.account();
        one.create_account(&account).await.unwrap();
        assert_eq!(other.account(account.sid).await, Ok(Some(account)));
    }
}

/// They share the due deliveries.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_keep_one_limit_and_never_lease_the_same_twice() {
    let database = TestDatabase::new();
    let fixture = fixture(connect(database.url()).await);
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let nodes: Vec<_> =
        [connect(database.url()).await, connect(database.url()).await].map(Arc::new).into();
    let mut asked = JoinSet::new();
    for number in 0..40 {
        let new = fixture.make.notification(&challenge, 300, InitialState::Due);
        let node = Arc::clone(&nodes[number % 2]);
        asked.spawn(async move { node.notify(&new, 7).await.unwrap() });
    }
    let outcomes = asked.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Notified::Done(None)).count(), 7);
    let (now, until) = (fixture.now(), fixture.later(30));
    let mut leasing = JoinSet::new();
    for node in &nodes {
        let (node, by) = (Arc::clone(node), fixture.make.other_node());
        leasing.spawn(async move { node.lease_due(by, now, until, 7).await.unwrap().len() });
    }
    let first: usize = leasing.join_all().await.iter().sum();
    let rest = nodes[0].lease_due(fixture.make.node, now, until, 7).await.unwrap().len();
    assert_eq!(first + rest, 7);
}

/// A notification waits for a concurrent command about its challenge, and is judged by its result.
#[tokio::test]
async fn a_concurrent_decision_is_seen() {
    let database = TestDatabase::new();
    let fixture = fixture(connect(database.url()).await);
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let (other, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let notify_while = async |decides: &str| {
        other.batch_execute(&format!("BEGIN; UPDATE challenges SET {decides}")).await.unwrap();
        let new = fixture.make.notification(&challenge, 300, InitialState::Due);
        let commit = async {
            let waits = "SELECT 1 FROM pg_stat_activity \
                         WHERE datname = current_database() AND wait_event_type = 'Lock'";
            while other.query(waits, &[]).await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            other.batch_execute("COMMIT").await.unwrap();
        };
        tokio::join!(fixture.store.notify(&new, 9), commit).0.unwrap()
    };
    let takes_the_ordinal = "updated_at = updated_at; INSERT INTO notifications \
         SELECT sid, 1, gen_random_uuid(), 0, 0, 0, sid, 'sent', NULL, NULL, '' FROM challenges";
    assert_eq!(notify_while(takes_the_ordinal).await, Notified::Done(None));
    let ordinals = "SELECT string_agg(ordinal::text, ' ' ORDER BY ordinal) FROM notifications";
    assert_eq!(database.psql(ordinals), "1 2");
    let approves = "state = 'approved', answered_at = 1";
    assert!(matches!(notify_while(approves).await, Notified::Refused(_)));
    assert_eq!(database.psql(ordinals), "1 2");
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_used_as_long_as_it_serves_this_one() {
    let database = TestDatabase::new();
    let make = Fixtures::new(4);
    let account = make.account();
    connect(database.url()).await.create_account(&account).await.unwrap();
    database.psql("ALTER TABLE accounts ADD COLUMN colour text");
    database.psql("INSERT INTO refinery_schema_history VALUES (1000, 'next', '', '0')");
    let store = connect(database.url()).await;
    assert_eq!(store.account(account.sid).await, Ok(Some(account)));

    let refused = async |schema_policy| {
        let options = Options { url: database.url(), schema_policy, ..Options::default() };
        PostgresStore::connect(options).await.unwrap_err().to_string()
    };
    for schema_policy in [SchemaPolicy::Import, SchemaPolicy::Export] {
        let why = refused(schema_policy).await;
        assert!(why.contains("made by a newer version, with V1000__next: use that one"), "{why}");
    }
    database.psql("UPDATE installation SET serves_from = 1000");
    let why = refused(SchemaPolicy::Serve).await;
    assert!(why.contains("with V1000__next, and does not serve this version"), "{why}");
}

/// With any list of migrations.
#[tokio::test]
async fn a_schema_with_other_migrations_is_rejected() {
    let database = TestDatabase::new();
    database.psql(
        "CREATE TABLE refinery_schema_history \
         (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255)); \
         INSERT INTO refinery_schema_history SELECT n, 'shop', '', '0' FROM generate_series(1, 20) n",
    );
    let options = Options { url: database.url(), ..Options::default() };
    let refused = PostgresStore::connect(options).await.unwrap_err();
    assert!(refused.to_string().contains("knows no migration V1__shop"), "{refused}");
}

#[tokio::test]
async fn the_store_recovers_from_a_crash_of_the_server() {
    let (server, _folder) = server(&[]);
    let store = connect(server.url("postgres")).await;
    let make = Fixtures::new(4);
    let account = make.account();
    store.create_account(&account).await.unwrap();
    server.kill();
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))));
    server.start_again();
    // A broken connection is noticed when it is used, or before; it is never used twice.
    let mut tries = 0;
    while store.account(account.sid).await != Ok(Some(account.clone())) {
        tries += 1;
        assert!(tries < 40, "every connection was replaced");
    }
    assert_eq!(store.check().await, Ok(()));
}

/// While a session has locked a table, the check fails without writing.
#[tokio::test]
async fn readiness_is_checked_without_writing() {
    let database = TestDatabase::new();
    let store = connect(database.url()).await;
    let pulse = || database.psql("SELECT pulse FROM installation");
    let before = pulse();
    assert_eq!(store.is_writable().await, Ok(()));
    let (locker, connection) =
        tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    locker.batch_execute("BEGIN; LOCK TABLE challenges IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let looked = tokio::time::timeout(Duration::from_secs(60), store.is_writable()).await;
    assert!(matches!(looked, Ok(Err(StoreError::Unavailable(_)))), "{looked:?}");
    locker.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(store.is_writable().await, Ok(()));
    assert_eq!(pulse(), before, "a check writes nothing");
    connection.abort();
}

/// A transaction that the database cancelled, or whose connection was closed, has written nothing.
#[tokio::test]
async fn a_cancelled_transaction_is_run_again() {
    let database = TestDatabase::new();
    let store = connect(database.url()).await;
    let make = Fixtures::new(6);
    database.psql("CREATE SEQUENCE tries");
    for how in [
        "RAISE EXCEPTION 'not you' USING ERRCODE = '40001'",
        "RAISE EXCEPTION 'not you' USING ERRCODE = '40P01'",
        "PERFORM pg_terminate_backend(pg_backend_pid())",
    ] {
        database.psql(&format!(
            "CREATE OR REPLACE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('tries') % 3 <> 0 THEN {how}; END IF; RETURN NEW; END $$"
        ));
        database.psql(
            "CREATE OR REPLACE TRIGGER give_up BEFORE INSERT ON accounts \
             FOR EACH ROW EXECUTE FUNCTION give_up()",
        );
        let account = make.account();
        assert_eq!(store.create_account(&account).await, Ok(Inserted::Done), "{how}");
        assert_eq!(store.account(account.sid).await, Ok(Some(account)));
    }
    assert_eq!(database.psql("SELECT count(*) FROM accounts"), "3");
}

#[tokio::test]
async fn a_failing_command_of_a_batch_fails_alone() {
    let database = TestDatabase::new();
    let fixture = fixture(connect(database.url()).await);
    let factor = fixture.factor().await;
    let mut challenges = Vec::new();
    for _ in 0..8 {
        challenges.push(fixture.challenge(&factor).await);
    }
    // The same notification again: no condition checks it, the primary key rejects it.
    let twin = fixture.due(&challenges[0]).await;
    let others = challenges[1..].iter();
    let others: Vec<_> = others
        .map(|challenge| fixture.make.notification(challenge, 300, InitialState::Due))
        .collect();
    let mut asked = JoinSet::new();
    for new in std::iter::once(twin).chain(others) {
        let store = Arc::clone(&fixture.store);
        asked.spawn(async move { store.notify(&new, 0).await });
    }
    let outcomes = asked.join_all().await;
    let done = outcomes.iter().filter(|outcome| **outcome == Ok(Notified::Done(None))).count();
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert_eq!((done, failed), (7, 1), "{outcomes:?}");
}

/// For all settings of the server.
#[tokio::test]
async fn a_commit_is_on_the_disk_before_it_is_answered() {
    let (server, _folder) = server(&["synchronous_commit=off"]);
    let store = connect(server.url("postgres")).await;
    // A commit in memory only would be lost with the server.
    let make = Fixtures::new(5);
    for _ in 0..20 {
        store.create_account(&make.account()).await.unwrap();
    }
    server.kill();
    server.start_again();
    assert_eq!(server.psql("postgres", "SELECT count(*) FROM accounts"), "20");
}

/// Like PgBouncer: two connections for all clients, each assigned for a transaction.
#[tokio::test(flavor = "multi_thread")]
async fn through_a_pooler_by_the_transaction_it_needs_nothing_prepared() {
    let database = TestDatabase::new();
    let pooler = database.pooled();
    let options = Options { url: pooler.url(), transaction_pooling: true, ..Options::default() };
    let fixture = fixture(PostgresStore::connect(options).await.unwrap());
    let factor = fixture.factor().await;
    let mut work = JoinSet::new();
    for _ in 0..12 {
        let (fixture, factor) = (fixture.clone(), factor.clone());
        work.spawn(async move {
            let challenge = fixture.challenge(&factor).await;
            let lease = fixture.leased(&challenge).await;
            assert!(fixture.settle(&lease, fixture.delivered()).await);
            fixture.ending(&lease).await.is_some()
        });
    }
    assert_eq!(work.join_all().await, [true; 12]);
}

/// Otherwise statements would fail now and then.
#[tokio::test]
async fn a_pooler_that_is_not_configured_is_reported_at_the_start() {
    let database = TestDatabase::new();
    PostgresStore::connect(Options { url: database.url(), ..Options::default() }).await.unwrap();
    let pooler = database.pooled();
    for _ in 0..3 {
        let options = Options { url: pooler.url(), ..Options::default() };
        let error = PostgresStore::connect(options).await.unwrap_err().to_string();
        assert!(error.contains("set database.transaction_pooling = true"), "{error}");
    }
}

/// The server must show a trusted certificate for the host name of the URL.
#[tokio::test]
async fn over_tls_the_server_must_be_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (ca, key) = (folder.path().join("server.crt"), folder.path().join("server.key"));
    std::fs::write(&ca, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, private).unwrap();
    let [certificate, key] = [("ssl_cert_file", &ca), ("ssl_key_file", &key)]
        .map(|(name, path)| format!("{name}='{}'", path.display()));
    let server = PostgresServer::start(folder.path(), &["ssl=on", &certificate, &key]);
    let url = format!("{}?sslmode=require", server.tcp_url("postgres"));
    let at = |host: &str, tls_ca| {
        let url = url.replace("127.0.0.1", host);
        PostgresStore::connect(Options { url, tls_ca, ..Options::default() })
    };
    let store = at("localhost", Some(ca.clone())).await.unwrap();
    store.check().await.unwrap();
    let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE application_name = 'countersign'";
    assert_eq!(server.psql("postgres", encrypted), "t");
    for (host, tls_ca) in [("localhost", None), ("127.0.0.1", Some(ca))] {
        let refused = at(host, tls_ca).await.unwrap_err().to_string();
        assert!(refused.contains("certificate"), "{refused}");
        assert!(!refused.contains("password"), "{refused}");
    }
}

/// The database's clock is one for all nodes.
#[tokio::test]
async fn the_databases_clock_is_read() {
    let database = TestDatabase::new();
    let store = connect(database.url()).await;
    let micros = || {
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        database.psql(sql).parse().map(Instant::from_micros).unwrap()
    };
    let clock = ManualClock::new();
    let before = micros();
    let reading = store.read_clock(&clock).await.unwrap();
    assert!(before <= reading.time && reading.time <= micros(), "{reading:?}");
    assert_eq!((reading.answered_at, reading.round_trip), (clock.monotonic(), Duration::ZERO));
}

#[tokio::test]
async fn members_of_a_newer_release_survive_an_update_by_this_one() {
    let database = TestDatabase::new();
    let fixture = fixture(connect(database.url()).await);
    let was = fixture.service().await;
    database.psql(
        "UPDATE services SET settings = jsonb_set(jsonb_set(settings::jsonb, '{push,sound}', '\"owl\"'), '{colour}', '[1]')::text",
    );
    let mut now = fixture.store.service(was.sid).await.unwrap().unwrap();
    now.settings.push.include_date = true;
    now.updated_at = fixture.later(1);
    assert_eq!(
        fixture.store.update_service(&now, LogoChange::Keep, was.updated_at).await,
        Ok(Updated::Done)
    );
    assert_eq!(fixture.store.service(was.sid).await, Ok(Some(now)));
    let kept = "SELECT (settings::jsonb #>> '{push,sound}') || ' ' || (settings::jsonb ->> 'colour') FROM services";
    assert_eq!(database.psql(kept), "owl [1]");
}

#[tokio::test]
async fn an_event_of_a_newer_release_survives_an_update_by_this_one() {
    let database = TestDatabase::new();
    let fixture = fixture(connect(database.url()).await);
    let service = fixture.service().await;
    let was = fixture.make.webhook(&service);
    assert_eq!(fixture.store.create_webhook(&was, 0).await, Ok(Inserted::Done));
    database.psql("UPDATE webhooks SET event_types = event_types || ' challenge.sung'");
    let mut now = fixture.store.webhook(service.sid, was.sid).await.unwrap().unwrap();
    assert_eq!(now.event_types, was.event_types);
    (now.enabled, now.updated_at) = (!was.enabled, fixture.later(1));
    assert_eq!(fixture.store.update_webhook(&now, was.updated_at).await, Ok(Updated::Done));
    assert!(database.psql("SELECT event_types FROM webhooks").ends_with(" challenge.sung"));
}

#[tokio::test]
async fn words_of_a_newer_release_do_not_fail_reads() {
    let database = TestDatabase::new();
    let fixture = fixture(connect(database.url()).await);
    let run = |sql: &str| {
        database.psql(sql);
    };
    newer::words_of_a_newer_release_do_not_fail_reads(&fixture, "chr(10)", run).await;
}
