//! What the nodes share is away for a while, or one of them is frozen.

use std::time::{Duration, Instant};

use countersign_testkit::postgres::{PostgresServer, TestDatabase};

use crate::load::first_after;
use crate::stage::Stage;
use crate::{ledger, outage};

/// Challenges before and after.
const BESIDE: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_is_killed_and_comes_back() {
    let database = TestDatabase::new();
    let mut stage = Stage::set(&database.url(), 3).await;
    let phones = stage.listening_phones(9).await;
    let load = stage.api.load(&phones);
    load.more(BESIDE).await;
    let away = outage(Duration::from_secs(4));
    stage.nats.kill();
    tokio::time::sleep(away).await;
    stage.nats.start_again();
    load.more(BESIDE).await;
    let accepted = load.stop().await;
    let told = ledger::settle(&accepted, &stage.api, &stage.seen).await;
    println!("NATS away for {away:?}: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_is_stopped_and_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let postgres = PostgresServer::start(folder.path(), &["fsync=on", "full_page_writes=on"]);
    let mut stage = Stage::set(&postgres.url("postgres"), 3).await;
    let phones = stage.listening_phones(9).await;
    let load = stage.api.load(&phones);
    load.more(BESIDE).await;
    let away = outage(Duration::from_secs(4));
    postgres.kill();
    tokio::time::sleep(away).await;
    postgres.start_again();
    let started = Instant::now();
    load.more(BESIDE).await;
    let accepted = load.stop().await;
    let again = first_after(&accepted, started);
    let again = again.expect("something is written again");
    let told = ledger::settle(&accepted, &stage.api, &stage.seen).await;
    println!("PostgreSQL away for {away:?}: writes succeed {again:.1?} after its start; {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_frozen_for_longer_than_its_leases() {
    let database = TestDatabase::new();
    let mut stage = Stage::set(&database.url(), 3).await;
    let phones = stage.listening_phones(9).await;
    let load = stage.api.load(&phones);
    load.more(BESIDE).await;
    // its leases are of 12 s
    let frozen = outage(Duration::from_secs(14));
    stage.nodes[1].signal("STOP");
    tokio::time::sleep(frozen).await;
    stage.nodes[1].signal("CONT");
    load.more(BESIDE).await;
    let accepted = load.stop().await;
    let told = ledger::settle(&accepted, &stage.api, &stage.seen).await;
    println!("a node frozen for {frozen:?}: {told}");
}
