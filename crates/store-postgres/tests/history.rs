//! The partitions of the history.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::challenge::Challenge;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::AfterCall;
use countersign_store::conformance::Fixture;
use countersign_store::seam::{ChallengeFilter, Inserted, Retention, Upkeep as _};
use countersign_store::{PageQuery, Store};
use countersign_store_postgres::{Options, PostgresStore};
use countersign_testkit::postgres::TestDatabase;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

const DAY: u64 = 24 * 60 * 60;
/// Six kinds of rows have partitions for today and the three following days, and four tables have a default partition.
const FRESH: usize = 6 * 4 + 4;
const KEPT: Retention = Retention { challenges: Duration::from_secs(30 * DAY) };
/// Longer than any command takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn connect(url: String) -> PostgresStore {
    PostgresStore::connect(Options { url, timeout: PATIENCE, ..Options::default() }).await.unwrap()
}

async fn fixture(url: String) -> Fixture {
    Fixture::new(Arc::new(connect(url).await) as Arc<dyn Store>)
}

async fn clean(fixture: &Fixture) -> usize {
    fixture.store.clean(fixture.now(), KEPT, 500).await.unwrap()
}

/// The partitions of the history.
fn partitions(database: &TestDatabase) -> Vec<String> {
    let tables = "SELECT inhrelid::regclass FROM pg_inherits \
                  WHERE inhparent IN ('challenges'::regclass, 'notifications'::regclass, 'calls_taken'::regclass, \
                  'signed_answers'::regclass) \
                  ORDER BY 1::text";
    database.psql(tables).lines().map(str::to_owned).collect()
}

/// The partitions of a challenge, of its notifications, of the taken calls about it, and of its signed answer.
fn partitions_of(database: &TestDatabase, challenge: &Challenge) -> String {
    let sid = &challenge.sid.to_string()[2..];
    database.psql(&format!(
        "SELECT string_agg(DISTINCT place, ' ' ORDER BY place) FROM (\
         SELECT tableoid::regclass::text AS place FROM challenges WHERE sid = '{sid}' UNION ALL \
         SELECT tableoid::regclass::text FROM notifications WHERE challenge_sid = '{sid}' UNION ALL \
         SELECT tableoid::regclass::text FROM calls_taken WHERE challenge_sid = '{sid}' UNION ALL \
         SELECT tableoid::regclass::text FROM signed_answers WHERE challenge_sid = '{sid}') AS places"
    ))
}

#[tokio::test]
async fn a_row_is_stored_in_the_partition_of_its_day() {
    let database = TestDatabase::new();
    let fixture = fixture(database.url()).await;
    clean(&fixture).await;
    let (factor, coder) = (fixture.factor().await, fixture.totp_factor().await);
    let first = fixture.challenge(&factor).await;
    fixture.due(&first).await;
    let coded = fixture.code_challenge(&coder).await;
    // Noon of the first of January.
    fixture.pass(DAY / 2);
    let next = fixture.challenge(&factor).await;
    fixture.due(&next).await;
    assert_eq!(
        partitions_of(&database, &first),
        "challenges_03_20260101 notifications_03_20260101"
    );
    assert_eq!(partitions_of(&database, &coded), "challenges_02_20260101");
    assert_eq!(partitions_of(&database, &next), "challenges_03_20260102 notifications_03_20260102");
    // Three days ahead, and nothing twice.
    let made = partitions(&database);
    assert_eq!(clean(&fixture).await, 0);
    assert_eq!(partitions(&database), made);
    assert!(made.contains(&"notifications_03_20260104".to_owned()), "{made:?}");
    assert_eq!(made.len(), FRESH);
}

/// Settles every due call as taken, one of each webhook and factor at a time.
async fn take_calls(fixture: &Fixture) {
    let taken = AfterCall::Taken { status: 200 };
    loop {
        let now = fixture.now();
        let calls = fixture.lease_calls().await;
        if calls.is_empty() {
            return;
        }
        for call in &calls {
            assert_eq!(fixture.store.settle_call(call, taken, "".into(), now).await, Ok(true));
        }
    }
}

#[tokio::test]
async fn taken_calls_are_stored_in_the_partition_of_their_challenges_day() {
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
    assert_eq!(
        partitions_of(&database, &challenge),
        "calls_taken_03_20260101 challenges_03_20260101"
    );
    fixture.pass(30 * DAY);
    assert_eq!(clean(&fixture).await, 0);
    assert_eq!(fixture.store.taken_calls(challenge.sid, 10).await, Ok(vec![]));
    assert_eq!(partitions_of(&database, &challenge), "");
}

#[tokio::test]
async fn a_partition_older_than_the_retention_is_dropped_whole() {
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

    // A partition stays as long as any row of its day is within the retention.
    fixture.pass(29 * DAY + DAY / 2 - 1);
    // Only a delivery that did not end.
    assert_eq!(clean(&fixture).await, 1);
    assert_eq!(fixture.challenge_now(&old).await, Some(old.clone()));
    fixture.pass(1);
    assert_eq!(clean(&fixture).await, 0);
    assert_eq!(fixture.challenge_now(&old).await, None);
    assert_eq!(partitions_of(&database, &old), "");
    assert!(!partitions(&database).iter().any(|part| part.ends_with("20260101")));
    assert_eq!(fixture.challenge_now(&young).await, Some(young.clone()));
    assert_eq!(
        partitions_of(&database, &young),
        "challenges_03_20260102 notifications_03_20260102"
    );
}

/// They are removed row by row.
#[tokio::test]
async fn rows_without_a_partition_stay_in_the_default_partition_until_they_are_too_old() {
    let database = TestDatabase::new();
    let fixture = fixture(database.url()).await;
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    fixture.due(&challenge).await;
    assert_eq!(partitions_of(&database, &challenge), "challenges_rest notifications_rest");
    // Its day has no partition, the other days have.
    clean(&fixture).await;
    assert_eq!(partitions_of(&database, &challenge), "challenges_rest notifications_rest");
    let made = partitions(&database);
    assert!(!made.contains(&"challenges_03_20260101".to_owned()), "{made:?}");
    assert!(made.contains(&"challenges_03_20260102".to_owned()), "{made:?}");
    assert!(made.contains(&"challenges_02_20260101".to_owned()), "{made:?}");
    fixture.pass(30 * DAY);
    assert_eq!(clean(&fixture).await, 0);
    fixture.pass(1);
    assert_eq!(clean(&fixture).await, 3);
    assert_eq!(fixture.challenge_now(&challenge).await, None);
    assert_eq!(partitions_of(&database, &challenge), "");
}

/// A longer retention makes longer partitions, which begin where the last one ends.
#[tokio::test]
async fn there_are_never_many_partitions() {
    let database = TestDatabase::new();
    let fixture = fixture(database.url()).await;
    clean(&fixture).await;
    let year = Retention { challenges: Duration::from_secs(365 * DAY) };
    for _ in 0..60 {
        fixture.pass(10 * DAY);
        fixture.store.clean(fixture.now(), year, 500).await.unwrap();
    }
    let made = partitions(&database);
    assert!((100..220).contains(&made.len()), "{}", made.len());
    let challenge = fixture.challenge(&fixture.factor().await).await;
    assert!(partitions_of(&database, &challenge).starts_with("challenges_03_202708"));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_nodes_may_maintain_partitions_at_once() {
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
        // A node that found another one at work has skipped the rest.
        clean(&fixture).await;
        assert_eq!(partitions(&database).len(), FRESH);
        fixture.pass(34 * DAY);
    }
}

/// Behind a pooler, every transaction may have another connection.
#[tokio::test]
async fn partitions_are_maintained_through_a_pooler() {
    let database = TestDatabase::new();
    let pooler = database.pooled();
    let options = Options { url: pooler.url(), transaction_pooling: true, ..Options::default() };
    let store = PostgresStore::connect(options).await.unwrap();
    let fixture = Fixture::new(Arc::new(store) as Arc<dyn Store>);
    clean(&fixture).await;
    assert_eq!(partitions(&database).len(), FRESH);
    fixture.pass(35 * DAY);
    clean(&fixture).await;
    assert!(!partitions(&database).iter().any(|part| part.contains("202601")));
}

/// A long transaction, such as a dump, delays the removal of a partition and no other command.
#[tokio::test]
async fn a_partition_in_use_is_left_for_the_next_sweep() {
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
    assert_eq!(partitions_of(&database, &old), "challenges_03_20260101");
    let young = fixture.challenge(&factor).await;
    fixture.due(&young).await;
    reader.batch_execute("COMMIT").await.unwrap();
    clean(&fixture).await;
    assert_eq!(partitions_of(&database, &old), "");
    assert_eq!(fixture.challenge_now(&young).await, Some(young));
}

/// A row on its way to the default partition, when a partition is attached that takes it.
#[tokio::test]
async fn a_partition_attached_meanwhile_takes_a_waiting_row() {
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
    assert_eq!(partitions_of(&database, &challenge), "challenges_part notifications_part");
}

/// The schema before the history was partitioned.
const BEFORE: &str = "CREATE TABLE c (LIKE challenges INCLUDING ALL); INSERT INTO c SELECT * FROM challenges; \
    CREATE TABLE n (LIKE notifications INCLUDING ALL); INSERT INTO n SELECT * FROM notifications; \
    DROP TABLE challenges, challenge_groups, notifications, calls_taken, signed_answers, sessions_ended, provider_tokens, protections, integrations, \
    summaries, summary_cursors, operators, operator_links, console_sessions, audit_entries, signing_keys, sealing_keys, backchannel_requests, rights_used, \
    tlog_state, tlog_facts, tlog_entries, tlog_tiles, tlog_watches; \
    DROP INDEX webhook_calls_failing, webhook_calls_given_up, entities_by_identity, entities_of_account, factors_by_name, \
    factors_of_account, totp_factors_by_name, totp_factors_of_account; \
    ALTER TABLE c RENAME TO challenges; ALTER INDEX c_pkey RENAME TO challenges_pkey; \
    ALTER INDEX c_entity_sid_sid_factor_sid_idx RENAME TO challenges_of_entity; \
    ALTER TABLE n RENAME TO notifications; ALTER INDEX n_pkey RENAME TO notifications_pkey; \
    ALTER TABLE installation DROP COLUMN serves_from; ALTER TABLE webhook_calls DROP COLUMN number, DROP COLUMN last_response; \
    ALTER TABLE accounts DROP COLUMN suspended_at; ALTER TABLE totp_factors DROP COLUMN wrong_in_a_row; \
    ALTER TABLE challenges DROP COLUMN quiet, DROP COLUMN presence, DROP COLUMN answer_reason, \
    DROP COLUMN answer_address, DROP COLUMN answer_country, DROP COLUMN group_sid, DROP COLUMN ended_by; \
    ALTER TABLE factors DROP COLUMN presence; ALTER TABLE services DROP COLUMN logo; \
    ALTER TABLE entities DROP COLUMN label; ALTER TABLE access_tokens DROP COLUMN account_label; \
    ALTER TABLE access_tokens DROP COLUMN code_hash; \
    DELETE FROM refinery_schema_history WHERE version > 3";

#[tokio::test]
async fn an_older_database_is_partitioned() {
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
        partitions_of(&database, &challenges[0]),
        "challenges_03_20260101 notifications_03_20260101"
    );
    assert_eq!(partitions_of(&database, &challenges[3]), "challenges_02_20260102");
    assert_eq!(database.psql("SELECT count(*) FROM challenges_rest"), "0");
    // The partitions of the next days follow those.
    again.clean(fixture.now(), KEPT, 500).await.unwrap();
    let made = partitions(&database);
    assert!(made.contains(&"challenges_03_20260104".to_owned()), "{made:?}");
    let listed = again.challenges(
        factor.owner.entity,
        ChallengeFilter::default(),
        fixture.now(),
        PageQuery::first(50),
    );
    assert_eq!(listed.await.unwrap().items.len(), 3);
}
