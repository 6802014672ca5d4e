//! `countersign migrate-data`: from SQLite to PostgreSQL and back.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::fact::Fact;
use countersign_domain::factor::{Factor, FactorStatus};
use countersign_domain::jws_key::JwsAlgorithm;
use countersign_domain::protection::PromptLimits;
use countersign_domain::provider_token::ProviderToken;
use countersign_domain::secret::{Sealed, SecretHash};
use countersign_domain::settled::DeliveryEvent;
use countersign_domain::signed_answer::SignedAnswer;
use countersign_domain::summary::{CountedPlatform, Grain, Measure, SummaryKey};
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::AfterCall;
use countersign_phone::ServerOptions as PhoneOptions;
use countersign_store::conformance::Fixture as Rows;
use countersign_store::moving::{Moving, Row, TABLES, Value};
use countersign_store::seam::{
    Answer, GroupOpened, LogBeginning, LogStep, Opening, SummaryCursor, SummaryStep,
};
use countersign_store_postgres::PostgresStore;
use countersign_store_sqlite::SqliteStore;
use countersign_testkit::postgres::TestDatabase;

use crate::support::{Application, Done, Stage, TOKEN, client, console_rows, free_port, signal};

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

/// Opens a group of challenges, one for each device of a person.
async fn open_group(rows: &Rows, devices: &[Factor]) {
    let mut asked: Vec<_> = devices.iter().map(|device| rows.make.challenge(device)).collect();
    asked.sort_by_key(|challenge| challenge.sid);
    let (request, first) = rows.make.backchannel(asked[0].clone());
    let group = first.group;
    let opening = |challenge| Opening {
        challenge: Challenge { group, ..challenge },
        notification: None,
        code: None,
        most_per_factor_hour: 0,
        most_per_factor_day: 0,
        most_per_entity_hour: 0,
        prompts: PromptLimits::OFF,
    };
    let openings: Vec<_> = asked.into_iter().map(opening).collect();
    assert_eq!(rows.store.open_group(&openings, Some(&request)).await, Ok(GroupOpened::Done));
}

/// Counts one challenge of a device.
async fn count_one(rows: &Rows, device: &Factor) {
    let cursor = SummaryCursor::all().next().expect("a stage");
    let from = rows.store.summary_cursor(cursor).await.expect("read");
    let key = SummaryKey {
        account: device.owner.account,
        grain: Grain::Hour,
        begins_at: Grain::Hour.begin(rows.now()),
        service: device.owner.service,
        platform: CountedPlatform::Device(device.address.platform()),
        measure: Measure::Asked,
        bucket: 0,
    };
    let to = rows.make.challenge(device).sid;
    let step = SummaryStep { cursor, from, to, counts: [(key, 1)].into() };
    assert_eq!(rows.store.add_summary(&step).await, Ok(true));
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

/// The rows of a server that knows no operators.
async fn put_an_ended_session(store: &SqliteStore) {
    let table = TABLES.iter().find(|table| table.name == "sessions_ended").expect("a table");
    let row = vec![
        Value::Bytes(vec![1; 16]),
        Value::Bytes(vec![2; 16]),
        Value::Number(4_000_000_000_000_000),
    ];
    store.put_rows(table, vec![row]).await.expect("stored");
}

/// A log with entries, a tile, a watch, and a fact that is none yet.
async fn begin_log(rows: &Rows, factor: &Factor) {
    let store = &rows.store;
    let beginning =
        LogBeginning { origin: "log.example/log".to_owned(), key: Sealed::from_bytes(vec![1; 9]) };
    store.begin_log(&beginning).await.expect("begun");
    rows.challenge(factor).await;
    let facts = store.facts(9).await.expect("facts");
    let entry = |fact: &Fact| fact.clone().into_entry([7; 32], rows.now());
    let step = LogStep {
        from: 0,
        facts: facts.iter().map(|(key, _)| *key).collect(),
        entries: facts.iter().map(|(_, fact)| entry(fact)).collect(),
        tiles: vec![(0, 0, vec![8; 64])],
        watches: facts.iter().filter_map(|(_, fact)| fact.watch).collect(),
    };
    assert_eq!(store.add_entries(&step).await, Ok(true));
    assert_eq!(store.publish_log(1, "note").await, Ok(true));
    store.pause_log().await.expect("paused");
}

/// Rows of every kind, in every state.
async fn furnish(store: SqliteStore) {
    put_an_ended_session(&store).await;
    let rows = Rows::new(Arc::new(store) as _);
    let (make, store) = (rows.make.clone(), Arc::clone(&rows.store));
    let account = rows.account().await;
    store.create_api_key(&make.api_key(&account)).await.expect("stored");
    store.create_credential(&make.credential(&account)).await.expect("stored");
    let console = console_rows(&account, rows.now());
    store.open_session(&console.session, 9).await.expect("stored");
    store.create_operator(&console.operator, 9).await.expect("stored");
    let (hash, until) = (SecretHash([7; 32]), rows.now() + Duration::from_secs(60));
    store.put_operator_link(console.operator.sid, hash, until).await.expect("stored");
    store.add_audit_entries(vec![console.entry]).await.expect("stored");
    let token = ProviderToken {
        key: [8; 16],
        version: 1,
        token: Sealed::from_bytes(vec![9; 300]),
        signed_at: rows.now(),
        forced_at: None,
    };
    store.renew_provider_token(&token).await.expect("stored");
    let key = make.signing_key(JwsAlgorithm::Es256);
    store.add_signing_key(&key).await.expect("stored");
    let service = make.service(&account);
    store.create_service(&service).await.expect("stored");
    let event_types = vec![EventType::ChallengeApproved, EventType::ChallengeExpired];
    let webhook = Webhook { event_types, ..make.webhook(&service) };
    store.create_webhook(&webhook, 0).await.expect("stored");
    store
        .create_webhook(&Webhook { enabled: false, ..make.webhook(&service) }, 0)
        .await
        .expect("stored");
    store.create_integration(&make.integration(&service), 0).await.expect("stored");
    let identity = make.identity();
    for _ in 0..2 {
        store.create_access_token(&make.access_token(&service, &identity)).await.expect("stored");
    }
    let factor = rows.factor_of(&service, &identity).await;
    let unverified = Factor { status: FactorStatus::Unverified, ..make.factor(&factor.owner) };
    rows.enrol(&unverified, None).await;
    let coder = rows.totp_factor_of(&service, &identity).await;
    rows.totp_factor_in(FactorStatus::Unverified).await;
    rows.code_challenge(&coder).await;

    let challenge = rows.challenge(&factor).await;
    for _ in 0..2 {
        rows.leased(&challenge).await;
        rows.due(&challenge).await;
        rows.parked(&challenge).await;
    }
    let lease = rows.leased(&challenge).await;
    assert!(rows.settle(&lease, DeliveryEvent::Written).await);
    let answered = rows.challenge(&factor).await;
    let lease = rows.leased(&answered).await;
    assert!(rows.settle(&lease, rows.delivered()).await);
    let signed = Some(SignedAnswer { jws: "a.b.c".to_owned(), key: factor.key });
    let answer = Answer::new(answered.sid, Verdict::Approved, rows.now());
    store.answer_challenge(Answer { signed, ..answer }).await.expect("recorded");
    for call in rows.lease_calls().await {
        let taken = AfterCall::Taken { status: 200 };
        assert_eq!(store.settle_call(&call, taken, "".into(), rows.now()).await, Ok(true));
    }
    open_group(&rows, &[factor.clone(), rows.factor_of(&service, &identity).await]).await;
    begin_log(&rows, &factor).await;
    let reported = rows.challenge(&factor).await.sid;
    let pauses_until = Some(rows.now() + Duration::from_secs(60));
    store
        .answer_challenge(Answer::report(reported, pauses_until, rows.now()))
        .await
        .expect("recorded");
    count_one(&rows, &factor).await;
    let gone = rows.factor().await.owner;
    store.delete_entity(gone.service, &gone.identity, rows.now()).await.expect("deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_to_postgres_and_back() {
    let stage = Stage::with_account();
    stage.serve(&[]).await.stop().await;
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
