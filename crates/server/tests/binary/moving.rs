//! `countersign migrate-data`: from SQLite to PostgreSQL and back.

mod rows;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_phone::ServerOptions as PhoneOptions;
use countersign_store::conformance::Fixture as Rows;
use countersign_store::moving::{Moving, Row, TABLES, Value};
use countersign_store_postgres::PostgresStore;
use countersign_store_sqlite::SqliteStore;
use countersign_testkit::postgres::TestDatabase;

use self::rows::furnish;
use crate::support::{Application, Done, Stage, TOKEN, client, free_port, signal};

fn sqlite(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder.join("countersign.db"), Default::default()).expect("it opens")
}

async fn postgres(database: &TestDatabase) -> PostgresStore {
    let options = countersign_store_postgres::Options { url: database.url(), ..Default::default() };
    PostgresStore::connect(options).await.expect("it opens")
}

fn make_private(folder: &Path) {
    let made = std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .create(folder);
    made.expect("a folder");
}

fn side(folder: &Path) -> String {
    format!("sqlite:{}", folder.display())
}

fn migrate(stage: &Stage, from: &str, to: &str) -> Done {
    stage.run(&["migrate-data", "--from", from, "--to", to])
}

/// Waits until nobody is connected to a database. A session ends a moment after its client.
async fn left(database: &TestDatabase) {
    const CLIENTS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                           AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    while database.psql(CLIENTS) != "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// All rows, table by table.
async fn dump(store: &dyn Moving) -> Vec<(&'static str, Vec<Row>)> {
    let mut all = Vec::new();
    for table in &TABLES {
        let rows = store.rows(table, None, 1_000_000).await.expect("rows");
        assert_eq!(rows.len() as u64, store.count(table).await.expect("a number"));
        all.push((table.name, rows));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_to_postgres_and_back() {
    let stage = Stage::with_account();
    stage.serve(&[]).await.stop().await;
    // In the middle of a change of the master key.
    let new = stage.write("new.key", &"cd".repeat(32));
    let done = stage.run(&["keys", "rotate", "--new-key-file", &new]);
    assert_eq!(done.code, Some(0), "{done:?}");
    furnish(sqlite(&stage.data())).await;
    let source = dump(&sqlite(&stage.data())).await;
    for (table, rows) in &source {
        assert!(!rows.is_empty(), "{table}");
    }

    let database = TestDatabase::new();
    let (from, to) = (side(&stage.data()), database.url());
    let done = migrate(&stage, &from, &to);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(dump(&postgres(&database).await).await, source);
    left(&database).await;
    let printed = done.stdout.lines().find(|line| line.starts_with("deliveries")).expect("a line");
    let cells: Vec<_> = printed.split_whitespace().collect();
    assert_eq!((cells[1], cells[2].len()), ("7", 64), "{printed}");

    // A second run has nothing to do, and both sides are still equal.
    let again = migrate(&stage, &from, &to);
    assert_eq!((again.code, &again.stdout), (Some(0), &done.stdout), "{again:?}");

    let back = stage.path("back");
    make_private(&back);
    std::fs::copy(stage.data().join("master.key"), back.join("master.key")).expect("a copy");
    let done = migrate(&stage, &to, &side(&back));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(dump(&sqlite(&back)).await, source);
    // A server finds its account in the target.
    let moved = stage.with("COUNTERSIGN_DATA_DIR", &back.display().to_string());
    let running = moved.serve(&["--data-dir", &back.display().to_string()]).await;
    assert_eq!(Application::of(&running).get("/v2/Services").await.0, 200);
    running.stop().await;

    // Deliveries that were leased during the move are taken over when their leases run out.
    let there = Rows::new(Arc::new(postgres(&database).await) as _);
    let (node, now, until) = (there.make.node, there.later(60), there.later(90));
    let due = there.store.lease_due(node, now, until, 100).await.expect("leased").len();
    assert_eq!((due, there.store.rescue(now, 100).await), (2, Ok(3)));
    assert_eq!(there.store.lease_due(node, now, until, 100).await.expect("leased").len(), 3);
}

/// Adds this many challenges that differ only in their SIDs.
async fn multiply(store: &SqliteStore, many: usize) {
    let challenges = TABLES.iter().find(|table| table.name == "challenges").expect("a table");
    let one = store.rows(challenges, None, 1).await.expect("rows").remove(0);
    let Value::Bytes(sid) = one[0].clone() else { panic!("{one:?}") };
    let copy = |number: usize| {
        let mut row = one.clone();
        let number = u32::try_from(number).expect("a small number").to_be_bytes();
        row[0] = Value::Bytes([&sid[..12], &number].concat());
        row
    };
    for batch in (0..many).collect::<Vec<_>>().chunks(5_000) {
        let rows = batch.iter().copied().map(copy).collect();
        store.put_rows(challenges, rows).await.expect("stored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_killed_goes_on() {
    let stage = Stage::with_account();
    stage.serve(&[]).await.stop().await;
    let store = sqlite(&stage.data());
    furnish(store).await;
    let store = sqlite(&stage.data());
    multiply(&store, 30_000).await;
    let source = dump(&store).await;
    drop(store);

    let database = TestDatabase::new();
    let (from, to) = (side(&stage.data()), database.url());
    let running = stage.spawn(&["migrate-data", "--from", &from, "--to", &to]);
    running.says("copied challenges: 10").await;
    signal(running.id(), "KILL");
    assert_eq!(running.end().await.code, None);
    let arrived: usize =
        database.psql("SELECT count(*) FROM challenges").parse().expect("a number");
    assert!((10_000..30_000).contains(&arrived), "{arrived}");

    // A server refuses a target that is half copied.
    let key = std::fs::read_to_string(stage.data().join("master.key")).expect("a key");
    let tenant = self::Stage::with_account()
        .with("COUNTERSIGN_DATABASE__URL", &to)
        .with("COUNTERSIGN_MASTER_KEY", key.trim());
    let done = tenant.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("has not finished"), "{done:?}");

    let done = migrate(&stage, &from, &to);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!done.stderr.contains("copied challenges: 10000 "), "{done:?}");
    assert_eq!(dump(&postgres(&database).await).await, source);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_would_do_harm_is_refused() {
    let stage = Stage::with_account();
    let database = TestDatabase::new();
    let (from, to) = (side(&stage.data()), database.url());
    let refused = |stage: &Stage, from: &str, to: &str, words: &str| {
        let done = migrate(stage, from, to);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stderr.contains(words), "{words}: {done:?}");
        let said = done.stdout + &done.stderr;
        assert!(!said.contains("hunter22") && !said.contains(TOKEN), "{said}");
    };
    refused(&stage, &from, &to, "there is no database");
    refused(&stage, "mysql://x", &to, "sqlite:FOLDER");
    refused(&stage, &from, "postgres:", "database.url");

    let running = stage.serve(&[]).await;
    refused(&stage, &from, &to, "is using the data folder");
    running.stop().await;
    let nobody = format!("postgres://shop:hunter22@127.0.0.1:{}/x?sslmode=disable", free_port());
    refused(&stage, &from, &nobody, "the target");
    let wrong = self::Stage::with_account().with("COUNTERSIGN_MASTER_KEY", &"cd".repeat(32));
    refused(&wrong, &from, &to, "not the master key");
    assert_eq!(database.psql("SELECT count(*) FROM accounts"), "0");

    // A target that a server has used is refused, also under the same key.
    let key = std::fs::read_to_string(stage.data().join("master.key")).expect("a key");
    let tenant = self::Stage::with_account()
        .with("COUNTERSIGN_DATABASE__URL", &to)
        .with("COUNTERSIGN_MASTER_KEY", key.trim());
    let running = tenant.serve(&[]).await;
    refused(&stage, &from, &to, "stop all of them first");
    running.stop().await;
    left(&database).await;
    refused(&stage, &from, &to, "the target differs from the source in accounts");
    let other = TestDatabase::new();
    let foreign = postgres(&other).await;
    Rows::new(Arc::new(foreign) as _).account().await;
    left(&other).await;
    refused(&stage, &from, &other.url(), "there are rows in its table accounts");

    // A schema of another version is refused.
    let old = TestDatabase::new();
    drop(postgres(&old).await);
    left(&old).await;
    let count = || old.psql("SELECT count(*) FROM refinery_schema_history");
    let all = count();
    old.psql("DELETE FROM refinery_schema_history WHERE version = (SELECT max(version) FROM refinery_schema_history)");
    let words = format!("the schema has {} of {all} migrations", count());
    refused(&stage, &old.url(), &side(&stage.path("new")), &words);
    let newer = TestDatabase::new();
    drop(postgres(&newer).await);
    left(&newer).await;
    newer.psql("INSERT INTO refinery_schema_history VALUES (1000, 'next', '', '1')");
    for (from, to) in [(newer.url(), side(&stage.path("new"))), (from, newer.url())] {
        refused(&stage, &from, &to, "made by a newer version, with V1000__next: use that one");
    }
}

/// Devices, challenges and pending deliveries are moved too.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_move_a_pending_push_arrives_and_is_answered() {
    let stage = Stage::with_account();
    let address = format!("127.0.0.1:{}", free_port());
    let health = format!("http://{address}/healthz");
    let running = stage.begin(&address, "http", &[]);
    running.answers(&client(), &health, &["sqlite"]).await;
    let application = Application::of(&running);
    let phone = application.phone(&PhoneOptions::default()).await;
    let form = [("Details.Message", "Log in?")];
    let challenge = application.challenge(&phone, &form).await;
    let made = application.create(&format!("{challenge}/Notifications"), &[("Ttl", "300")]).await;
    running.stop().await;

    let database = TestDatabase::new();
    let done = migrate(&stage, &side(&stage.data()), &database.url());
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(database.psql("SELECT count(*) FROM challenges_rest"), "0");
    assert_eq!(database.psql("SELECT count(*) FROM notifications_rest"), "0");

    let stage = stage.with("COUNTERSIGN_DATABASE__URL", &database.url());
    let running = stage.begin(&address, "http", &[]);
    running.answers(&client(), &health, &["postgres"]).await;
    let mut stream = phone.connect().await.expect("a stream");
    let prompt = stream.next_prompt().await.expect("a prompt");
    assert!(challenge.ends_with(&prompt.challenge_sid), "{prompt:?}");
    assert_eq!(prompt.notification_sid, made["sid"].as_str().expect("a SID"));
    phone
        .answer(&prompt.challenge_sid, countersign_phone::Verdict::Approved)
        .await
        .expect("an answer");
    assert_eq!(application.get(&challenge).await.1["status"], "approved");
    running.stop().await;
}
