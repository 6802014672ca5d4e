//! One release replaces another, node by node, under load.

use std::path::PathBuf;

use countersign_testkit::postgres::TestDatabase;

use crate::ledger;
use crate::stage::Stage;

/// Challenges before and after each step.
const BESIDE: usize = 20;

/// The load leaves challenges unanswered.
const NO_LIMIT: &str = "limits.push_challenges_in_a_row=0";

/// Additions that a later release could make to the schema. One statement at a time: a statement that locks several tables can
/// deadlock with a command; a server's own migration is retried then.
const NEXT: [&str; 6] = [
    "ALTER TABLE challenges ADD COLUMN colour text",
    "ALTER TABLE notifications ADD COLUMN colour text NOT NULL DEFAULT 'red'",
    "ALTER TABLE deliveries ADD COLUMN colour text NOT NULL DEFAULT 'red'",
    "ALTER TABLE factors ADD COLUMN colour text",
    "CREATE TABLE colours (name text PRIMARY KEY)",
    "INSERT INTO refinery_schema_history VALUES (1000, 'colours', '', '1')",
];

/// The replaced nodes run `CLUSTER_OLDER_BINARY`, or this release; their replacements run this release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_replaced_one_after_the_other() {
    let database = TestDatabase::new();
    let older = std::env::var_os("CLUSTER_OLDER_BINARY").map(PathBuf::from);
    let mut stage = Stage::set_with(&database.url(), 3, |node| {
        if let Some(older) = &older {
            node.binary.clone_from(older);
            // A release without this limit refuses to start with the setting.
            node.settings.retain(|setting| setting != NO_LIMIT);
        }
    })
    .await;
    let schemas = "SELECT count(*) FROM refinery_schema_history";
    let before = database.psql(schemas);
    let phones = stage.listening_phones(9).await;
    let load = stage.load(&phones);
    for node in &mut stage.nodes {
        load.more(BESIDE).await;
        node.stop().await;
        node.binary = env!("CARGO_BIN_EXE_countersign").into();
        if older.is_some() {
            node.settings.push(NO_LIMIT.to_owned());
        }
        node.begin();
        node.is_ready().await;
    }
    load.more(BESIDE).await;
    let accepted = load.stop().await;
    let told = ledger::settle(&accepted, &stage.api, &stage.seen).await;
    let after = database.psql(schemas);
    println!("three nodes replaced, from {before} to {after} migrations: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_nodes_go_on_and_restart_beside_a_newer_schema() {
    let database = TestDatabase::new();
    let mut stage = Stage::set(&database.url(), 3).await;
    let phones = stage.listening_phones(9).await;
    let load = stage.load(&phones);
    load.more(BESIDE).await;
    for change in NEXT {
        database.psql(change);
    }
    load.more(BESIDE).await;
    stage.nodes[0].kill();
    stage.nodes[0].begin();
    stage.nodes[0].is_ready().await;
    stage.nodes[1].stop().await;
    stage.nodes[1].begin();
    stage.nodes[1].is_ready().await;
    load.more(BESIDE).await;
    let accepted = load.stop().await;
    let told = ledger::settle(&accepted, &stage.api, &stage.seen).await;
    println!("a newer schema below three nodes, two of which restart: {told}");

    database.psql("UPDATE installation SET serves_from = 1000");
    stage.nodes[2].stop().await;
    stage.nodes[2].begin();
    assert!(!stage.nodes[2].ends().await, "it is not served any more");
    let log = stage.nodes[2].log();
    assert!(log.contains("with V1000__colours, and does not serve this version"), "{log}");
}
