//! NATS, PostgreSQL or a node is unavailable for a while.

use std::time::{Duration, Instant};

use countersign_testkit::postgres::{PostgresServer, TestDatabase};

use crate::load::challenges_path;
use crate::stage::{Stage, patient_client};
use crate::{first_after, ledger, outage, until};

/// Challenges before and after.
const BESIDE: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_is_killed_and_comes_back() {
    let database = TestDatabase::new();
    let mut stage = Stage::set(&database.url(), 3).await;
    let phones = stage.listening_phones(9).await;
    let load = stage.load(&phones);
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
    let load = stage.load(&phones);
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
    let load = stage.load(&phones);
    load.more(BESIDE).await;
    // Its leases last 12 s.
    let frozen = outage(Duration::from_secs(14));
    stage.nodes[1].signal("STOP");
    tokio::time::sleep(frozen).await;
    stage.nodes[1].signal("CONT");
    load.more(BESIDE).await;
    let accepted = load.stop().await;
    let told = ledger::settle(&accepted, &stage.api, &stage.seen).await;
    println!("a node frozen for {frozen:?}: {told}");
}

/// As by a forgotten transaction in `psql`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_locked_and_every_request_is_refused_in_time() {
    let database = TestDatabase::new();
    let mut stage = Stage::set(&database.url(), 3).await;
    let phones = stage.listening_phones(3).await;
    let path = challenges_path(&phones[0]);
    let form = [("FactorSid", phones[0].factor_sid()), ("Details.Message", "Log in?")];
    let challenge = stage.api.post(0, &path, &form).await.expect("a challenge");
    let one = format!("{path}/{}", challenge["sid"].as_str().expect("a SID"));

    let lock = database.hold("LOCK TABLE challenges IN ACCESS EXCLUSIVE MODE");
    // No request waits for the lock's end: it is held until all are answered.
    let client = patient_client();
    let base = stage.nodes[0].base();
    let api = |request: reqwest::RequestBuilder| {
        request.basic_auth(crate::load::ACCOUNT, Some(crate::load::TOKEN))
    };
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..20 {
        asked.spawn(api(client.get(format!("{base}{one}"))).send());
        asked.spawn(api(client.post(format!("{base}{path}"))).form(&form).send());
        let again = format!("{base}{one}/Notifications");
        asked.spawn(api(client.post(again)).form(&[("Ttl", "300")]).send());
    }
    for answer in asked.join_all().await {
        assert_eq!(answer.expect("an answer").status(), 503);
    }
    let readiness = async || {
        let answer = client.get(format!("{base}/readyz")).send().await.ok()?;
        Some(answer.status().as_u16())
    };
    until("it says that it is not ready", async || readiness().await.filter(|it| *it == 503)).await;
    drop(lock);
    until("it is ready again", async || readiness().await.filter(|it| *it == 200)).await;

    let load = stage.load(&phones);
    load.more(BESIDE).await;
    let told = ledger::settle(&load.stop().await, &stage.api, &stage.seen).await;
    println!("challenges locked for a while: {told}");
}
