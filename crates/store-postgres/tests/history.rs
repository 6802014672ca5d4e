//! The history lies in parts by time.

#![expect(clippy::unwrap_used, reason = "what a test unwraps is what it tries")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::delivery::InitialState;
use countersign_domain::factor::Factor;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::AfterCall;
use countersign_store::conformance::Fixture;
use countersign_store::seam::{
    ChallengeFilter, Inserted, Notified, Opened, Opening, Recorded, Retention, Upkeep as _,
};
use countersign_store::{PageQuery, Store};
use countersign_store_postgres::{Options, PostgresStore};
use countersign_testkit::postgres::{PostgresServer, TestDatabase};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

const DAY: u64 = 24 * 60 * 60;
/// Parts of five kinds of rows for today and three days more, and three tables for the rest.
const FRESH: usize = 5 * 4 + 3;
const KEPT: Retention = Retention { challenges: Duration::from_secs(30 * DAY) };

async fn connect(url: String) -> PostgresStore {
    PostgresStore::connect(Options { url, ..Options::default() }).await.unwrap()
}

async fn fixture(url: String) -> Fixture {
    Fixture::new(Arc::new(connect(url).await) as Arc<dyn Store>)
}

async fn clean(fixture: &Fixture) -> usize {
    fixture.store.clean(fixture.now(), KEPT, 500).await.unwrap()
}

/// The tables that the history lies in.
fn parts(database: &TestDatabase) -> Vec<String> {
    let tables = "SELECT inhrelid::regclass FROM pg_inherits \
                  WHERE inhparent IN ('challenges'::regclass, 'notifications'::regclass, 'calls_taken'::regclass) \
                  ORDER BY 1::text";
    database.psql(tables).lines().map(str::to_owned).collect()
}

/// In which part a challenge lies, and in which its notifications do, and the calls about it that were taken.
fn places(database: &TestDatabase, challenge: &Challenge) -> String {
    let sid = &challenge.sid.to_string()[2..];
    database.psql(&format!(
        "SELECT string_agg(DISTINCT place, ' ' ORDER BY place) FROM (\
         SELECT tableoid::regclass::text AS place FROM challenges WHERE sid = '{sid}' UNION ALL \
         SELECT tableoid::regclass::text FROM notifications WHERE challenge_sid = '{sid}' UNION ALL \
         SELECT tableoid::regclass::text FROM calls_taken WHERE challenge_sid = '{sid}') AS places"
    ))
}

#[tokio::test]
async fn a_row_lands_in_the_part_of_its_day() {
    let database = TestDatabase::new();
    let fixture = fixture(database.url()).await;
    clean(&fixture).await;
    let (factor, coder) = (fixture.factor().await, fixture.totp_factor().await);
    let first = fixture.challenge(&factor).await;
    fixture.due(&first).await;
    let coded = fixture.code_challenge(&coder).await;
    // noon of the first of January
    fixture.pass(DAY / 2);
    let next = fixture.challenge(&factor).await;
    fixture.due(&next).await;
    assert_eq!(places(&database, &first), "challenges_03_20260101 notifications_03_20260101");
    assert_eq!(places(&database, &coded), "challenges_02_20260101");
    assert_eq!(places(&database, &next), "challenges_03_20260102 notifications_03_20260102");
    // three days ahead, and nothing twice
    let made = parts(&database);
    assert_eq!(clean(&fixture).await, 0);
    assert_eq!(parts(&database), made);
    assert!(made.contains(&"notifications_03_20260104".to_owned()), "{made:?}");
    assert_eq!(made.len(), FRESH);
}

/// Has every call that is due taken, a line at a time.
async fn take_calls(fixture: &Fixture) {
    let taken = AfterCall::Taken { status: 200 };
    loop {
        let now = fixture.now();
        let calls = fixture.lease_calls().await;
        if calls.is_empty() {
            return;
        }
        for call in &calls {
            assert_eq!(fixture.store.settle_call(call, taken, "", now).await, Ok(true));
        }
    }
}

#[tokio::test]
async fn what_is_kept_of_calls_lies_with_the_day_of_its_challenge() {
    let database = TestDatabase::new();
    let fixture = fixture(database.url()).await;
    clean(&fixture).await;
    let service = fixture.service().await;
    let webhook = Webhook { event_types: vec![EventType::All], ..fixture.make.webhook(&service) };
    assert_eq!(fixture.store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));
    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    fixture.make.clock.advance(Duration::from_secs(DAY / 2 - 60));
    let challenge = fixture.challenge(&factor).await;
    fixture.pass(120);
    clean(&fixture).await;
    fixture.answer(&challenge).await;
    take_calls(&fixture).await;
    assert_eq!(fixture.store.taken_calls(challenge.sid, 10).await.unwrap().len(), 1);
    assert_eq!(places(&database, &challenge), "calls_taken_03_20260101 challenges_03_20260101");
    fixture.pass(30 * DAY);
    assert_eq!(clean(&fixture).await, 0);
    assert_eq!(fixture.store.taken_calls(challenge.sid, 10).await, Ok(vec![]));
    assert_eq!(places(&database, &challenge), "");
}

#[tokio::test]
async fn what_is_past_the_retention_is_dropped_whole() {
    let database = TestDatabase::new();
    let fixture = fixture(database.url()).await;
    clean(&fixture).await;
    let factor = fixture.factor().await;
    let old = fixture.challenge(&factor).await;
    fixture.parked(&old).await;
    fixture.pass(DAY);
    clean(&fixture).await;
    let young = fixture.challenge(&factor).await;
    fixture.parked(&young).await;

    // as long as anything of that day is within the retention, nothing goes
    fixture.pass(29 * DAY + DAY / 2 - 1);
    // but a delivery that nobody ended
    assert_eq!(clean(&fixture).await, 1);
    assert_eq!(fixture.challenge_now(&old).await, Some(old.clone()));
    fixture.pass(1);
    assert_eq!(clean(&fixture).await, 0);
    assert_eq!(fixture.challenge_now(&old).await, None);
    assert_eq!(places(&database, &old), "");
    assert!(!parts(&database).iter().any(|part| part.ends_with("20260101")));
    assert_eq!(fixture.challenge_now(&young).await, Some(young.clone()));
    assert_eq!(places(&database, &young), "challenges_03_20260102 notifications_03_20260102");
}

/// It has no part to go with, so it goes row by row.
#[tokio::test]
async fn what_no_part_takes_lies_in_the_rest_until_it_is_too_old() {
    let database = TestDatabase::new();
    let fixture = fixture(database.url()).await;
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    fixture.due(&challenge).await;
    assert_eq!(places(&database, &challenge), "challenges_rest notifications_rest");
    // its day has none any more, the other days have
    clean(&fixture).await;
    assert_eq!(places(&database, &challenge), "challenges_rest notifications_rest");
    let made = parts(&database);
    assert!(!made.contains(&"challenges_03_20260101".to_owned()), "{made:?}");
    assert!(made.contains(&"challenges_03_20260102".to_owned()), "{made:?}");
    assert!(made.contains(&"challenges_02_20260101".to_owned()), "{made:?}");
    fixture.pass(30 * DAY);
    assert_eq!(clean(&fixture).await, 0);
    fixture.pass(1);
    assert_eq!(clean(&fixture).await, 3);
    assert_eq!(fixture.challenge_now(&challenge).await, None);
    assert_eq!(places(&database, &challenge), "");
}

/// A longer retention makes longer parts, which begin where the last one ends.
#[tokio::test]
async fn there_are_never_many_parts() {
    let database = TestDatabase::new();
    let fixture = fixture(database.url()).await;
    clean(&fixture).await;
    let year = Retention { challenges: Duration::from_secs(365 * DAY) };
    for _ in 0..60 {
        fixture.pass(10 * DAY);
        fixture.store.clean(fixture.now(), year, 500).await.unwrap();
    }
    let made = parts(&database);
    assert!((100..220).contains(&made.len()), "{}", made.len());
    let challenge = fixture.challenge(&fixture.factor().await).await;
    assert!(places(&database, &challenge).starts_with("challenges_03_202708"));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_nodes_may_tend_the_parts_at_once() {
    let database = TestDatabase::new();
    let fixture = fixture(database.url()).await;
    let nodes = [connect(database.url()).await, connect(database.url()).await];
    let nodes = nodes.map(Arc::new);
    for _ in 0..5 {
        let mut sweeps = JoinSet::new();
        for number in 0..6 {
            let (node, now) = (Arc::clone(&nodes[number % 2]), fixture.now());
            sweeps.spawn(async move { node.clean(now, KEPT, 500).await });
        }
        for swept in sweeps.join_all().await {
            swept.unwrap();
        }
        // whoever found another one at work has left it the rest
        clean(&fixture).await;
        assert_eq!(parts(&database).len(), FRESH);
        fixture.pass(34 * DAY);
    }
}

/// Behind a pooler too, where every transaction may have another connection.
#[tokio::test]
async fn the_parts_are_tended_through_a_pooler() {
    let database = TestDatabase::new();
    let pooler = database.pooled();
    let options = Options { url: pooler.url(), transaction_pooling: true, ..Options::default() };
    let store = PostgresStore::connect(options).await.unwrap();
    let fixture = Fixture::new(Arc::new(store) as Arc<dyn Store>);
    clean(&fixture).await;
    assert_eq!(parts(&database).len(), FRESH);
    fixture.pass(35 * DAY);
    clean(&fixture).await;
    assert!(!parts(&database).iter().any(|part| part.contains("202601")));
}

/// A dump, or anything else that has a table open for long, keeps a part from being dropped, and nobody else from work.
#[tokio::test]
async fn a_part_that_is_in_use_is_left_for_the_next_sweep() {
    let database = TestDatabase::new();
    let fixture = fixture(database.url()).await;
    clean(&fixture).await;
    let factor = fixture.factor().await;
    let old = fixture.challenge(&factor).await;
    let (reader, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    reader.batch_execute("BEGIN; LOCK TABLE challenges IN ACCESS SHARE MODE").await.unwrap();
    fixture.pass(32 * DAY);
    clean(&fixture).await;
    assert_eq!(places(&database, &old), "challenges_03_20260101");
    let young = fixture.challenge(&factor).await;
    fixture.due(&young).await;
    reader.batch_execute("COMMIT").await.unwrap();
    clean(&fixture).await;
    assert_eq!(places(&database, &old), "");
    assert_eq!(fixture.challenge_now(&young).await, Some(young));
}

/// What is on its way to the rest when a part is attached that takes it.
#[tokio::test]
async fn a_part_that_is_made_meanwhile_takes_what_waits_for_it() {
    let database = TestDatabase::new();
    let fixture = fixture(database.url()).await;
    let factor = fixture.factor().await;
    let (maker, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let attach = async |table: &str| {
        let part = format!(
            "BEGIN; CREATE TABLE {table}_part (LIKE {table} INCLUDING ALL); ALTER TABLE {table} ATTACH PARTITION \
             {table}_part FOR VALUES FROM ('03000000-0000-0000-0000-000000000000') TO \
             ('04000000-0000-0000-0000-000000000000')"
        );
        maker.batch_execute(&part).await.unwrap();
    };
    let commit = async || {
        let waits = "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                     WHERE d.datname = current_database() AND NOT l.granted";
        while maker.query(waits, &[]).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        maker.batch_execute("COMMIT").await.unwrap();
    };
    attach("challenges").await;
    let (challenge, ()) = tokio::join!(fixture.challenge(&factor), commit());
    attach("notifications").await;
    tokio::join!(fixture.due(&challenge), commit());
    assert_eq!(places(&database, &challenge), "challenges_part notifications_part");
}

/// The schema as it was before the history had parts.
const BEFORE: &str = "CREATE TABLE c (LIKE challenges INCLUDING ALL); INSERT INTO c SELECT * FROM challenges; \
    CREATE TABLE n (LIKE notifications INCLUDING ALL); INSERT INTO n SELECT * FROM notifications; \
    DROP TABLE challenges, notifications, calls_taken, sessions_ended, provider_tokens; \
    DROP INDEX webhook_calls_failing, webhook_calls_given_up; \
    ALTER TABLE c RENAME TO challenges; ALTER INDEX c_pkey RENAME TO challenges_pkey; \
    ALTER INDEX c_entity_sid_sid_factor_sid_idx RENAME TO challenges_of_entity; \
    ALTER TABLE n RENAME TO notifications; ALTER INDEX n_pkey RENAME TO notifications_pkey; \
    ALTER TABLE installation DROP COLUMN serves_from; ALTER TABLE webhook_calls DROP COLUMN number; \
    ALTER TABLE accounts DROP COLUMN suspended_at; ALTER TABLE totp_factors DROP COLUMN wrong_in_a_row; \
    DELETE FROM refinery_schema_history WHERE version > 3";

#[tokio::test]
async fn a_database_of_before_is_brought_into_parts() {
    let database = TestDatabase::new();
    let fixture = fixture(database.url()).await;
    let (factor, coder) = (fixture.factor().await, fixture.totp_factor().await);
    let mut challenges = Vec::new();
    for _ in 0..3 {
        let challenge = fixture.challenge(&factor).await;
        fixture.leased(&challenge).await;
        fixture.parked(&challenge).await;
        challenges.push(challenge);
        challenges.push(fixture.code_challenge(&coder).await);
        fixture.pass(DAY);
    }
    let rows = "SELECT md5(string_agg(c::text, '' ORDER BY sid)) FROM challenges c UNION ALL \
                SELECT md5(string_agg(n::text, '' ORDER BY challenge_sid, ordinal)) FROM notifications n";
    let before = database.psql(rows);
    database.psql(BEFORE);
    assert_eq!(database.psql("SELECT count(*) FROM pg_inherits"), "0");

    let again = Arc::new(connect(database.url()).await) as Arc<dyn Store>;
    assert_eq!(database.psql(rows), before);
    assert_eq!(
        places(&database, &challenges[0]),
        "challenges_03_20260101 notifications_03_20260101"
    );
    assert_eq!(places(&database, &challenges[3]), "challenges_02_20260102");
    assert_eq!(database.psql("SELECT count(*) FROM challenges_rest"), "0");
    // the parts to come follow those
    again.clean(fixture.now(), KEPT, 500).await.unwrap();
    let made = parts(&database);
    assert!(made.contains(&"challenges_03_20260104".to_owned()), "{made:?}");
    let listed = again.challenges(
        factor.owner.entity,
        ChallengeFilter::default(),
        fixture.now(),
        PageQuery::first(50),
    );
    assert_eq!(listed.await.unwrap().items.len(), 3);
}

/// Those parts that the statements have looked into since the log was this long.
fn looked_into(log: &Path, since: u64) -> BTreeSet<String> {
    let text = std::fs::read_to_string(log).unwrap();
    let text = &text[usize::try_from(since).unwrap()..];
    // what may be updated is named before what is looked into
    let others = ["never executed", "Bitmap Index", "Update on"];
    let is_table = |line: &&str| !others.iter().any(|other| line.contains(other));
    let touched = text.lines().filter(is_table);
    let touched = touched.filter_map(|line| line.split(" on ").nth(1));
    let names = touched.filter_map(|rest| rest.split(' ').next());
    let is_part =
        |name: &&str| name.contains("_03_") || name.contains("_02_") || name.ends_with("_rest");
    names.filter(is_part).map(str::to_owned).collect()
}

/// A server that logs each plan, with what was really read.
async fn explaining(folder: &Path) -> (PostgresServer, Fixture) {
    let settings = [
        "shared_preload_libraries=auto_explain",
        "auto_explain.log_min_duration=0",
        "auto_explain.log_analyze=on",
    ];
    let server = PostgresServer::start(folder, &settings);
    let fixture = fixture(server.url("postgres")).await;
    (server, fixture)
}

/// What happens to challenges of a factor all day.
async fn work(fixture: &Fixture, factor: &Factor) {
    for _ in 0..12 {
        let challenge = fixture.challenge(factor).await;
        let lease = fixture.leased(&challenge).await;
        fixture.due(&challenge).await;
        assert!(fixture.prospect(&lease).await.lease_holds);
        assert!(fixture.settle(&lease, fixture.delivered()).await);
        fixture.store.mark_fetched(challenge.sid, fixture.now()).await.unwrap();
        fixture.store.notifications(challenge.sid, PageQuery::first(3)).await.unwrap();
        let new = fixture.make.notification(&challenge, 300, InitialState::Due);
        assert_eq!(fixture.store.notify(&new, 9).await, Ok(Notified::Done(None)));
        let answered =
            fixture.store.answer_challenge(challenge.sid, Verdict::Approved, None, fixture.now());
        assert_eq!(answered.await, Ok(Recorded::Done));
        assert!(fixture.challenge_now(&challenge).await.is_some());
    }
}

/// However many there are; also after a statement has been run so often that the server plans it no more.
#[tokio::test(flavor = "multi_thread")]
async fn hot_statements_look_into_the_part_of_their_day_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, fixture) = explaining(folder.path()).await;
    for _ in 0..12 {
        clean(&fixture).await;
        fixture.pass(DAY);
    }
    let factor = fixture.factor().await;
    let log = folder.path().join("log");
    let today = ["challenges_03_20260113", "notifications_03_20260113"];
    let since = std::fs::metadata(&log).unwrap().len();
    work(&fixture, &factor).await;
    let touched = looked_into(&log, since);
    assert_eq!(touched.iter().map(String::as_str).collect::<Vec<_>>(), today);

    // a limit of a day counts that day, and what is ahead
    let since = std::fs::metadata(&log).unwrap().len();
    for _ in 0..12 {
        let challenge = fixture.make.challenge(&factor);
        let opening = Opening {
            challenge,
            notification: None,
            code: None,
            most_per_factor_hour: 100,
            most_per_factor_day: 100,
            most_per_entity_hour: 100,
        };
        assert_eq!(fixture.store.open_challenge(&opening).await, Ok(Opened::Done));
    }
    let before = looked_into(&log, since).iter().filter(|part| part[14..] < *"20260112").count();
    assert_eq!(before, 0);
}

/// The most rows that any step of the plans since then has read at once.
fn most_read(log: &Path, since: u64) -> u64 {
    let text = std::fs::read_to_string(log).unwrap();
    let text = &text[usize::try_from(since).unwrap()..];
    let actual = text.lines().filter_map(|line| line.split("(actual ").nth(1));
    let rows = actual.filter_map(|rest| rest.split("rows=").nth(1));
    rows.filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok()).max().unwrap()
}

/// A connection keeps the plan it once made, and the server knows nothing of the tables then.
#[tokio::test(flavor = "multi_thread")]
async fn statements_planned_on_an_empty_database_read_no_table_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, fixture) = explaining(folder.path()).await;
    clean(&fixture).await;
    let log = folder.path().join("log");
    work(&fixture, &fixture.factor().await).await;
    for _ in 0..100 {
        fixture.factor().await;
    }
    let factor = fixture.factor().await;
    let since = std::fs::metadata(&log).unwrap().len();
    work(&fixture, &factor).await;
    let most = most_read(&log, since);
    assert!(most < 50, "{most} rows at once");
}

/// The most rows that a step of the plans since then has read and thrown away.
fn most_thrown_away(log: &Path, since: u64) -> u64 {
    let text = std::fs::read_to_string(log).unwrap();
    let text = &text[usize::try_from(since).unwrap()..];
    let thrown = text.lines().filter_map(|line| line.split("Rows Removed by Filter: ").nth(1));
    thrown.filter_map(|rows| rows.parse::<u64>().ok()).max().unwrap_or(0)
}

/// Whatever index is used, there is one row in an empty table, as the server sees it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_looked_up_by_its_key_though_there_were_none_when_that_was_planned() {
    let folder = tempfile::tempdir().unwrap();
    let (server, fixture) = explaining(folder.path()).await;
    clean(&fixture).await;
    let factor = fixture.factor().await;
    for _ in 0..300 {
        fixture.leased(&fixture.challenge(&factor).await).await;
    }
    server.psql("postgres", "DELETE FROM deliveries");
    server.psql("postgres", "VACUUM ANALYZE deliveries");
    let mut leases = Vec::new();
    for _ in 0..40 {
        leases.push(fixture.leased(&fixture.challenge(&factor).await).await);
    }
    let log = folder.path().join("log");
    let since = std::fs::metadata(&log).unwrap().len();
    assert!(fixture.prospect(&leases[20]).await.lease_holds);
    assert!(fixture.settle(&leases[20], fixture.delivered()).await);
    let thrown_away = most_thrown_away(&log, since);
    assert!(thrown_away < 10, "{thrown_away} of {}", leases.len());
}
