//! What needs an operator's attention, really caused: a clock that is off, NATS that is away, a table that somebody locks.

use std::time::Duration;

use countersign_testkit::NatsServer;
use countersign_testkit::postgres::TestDatabase;
use serde_json::Value;

use crate::faketime;
use crate::support::{Stage, client, free_port};

/// The interval between looks, and the most looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOKS: usize = 360;

/// Looks until `matter` needs attention, or does not; returns its cause.
async fn until(admin: &str, matter: &str, is_there: bool) -> String {
    let mut last = Value::Null;
    for _ in 0..LOOKS {
        let answer = client().get(format!("http://{admin}/status")).send().await;
        last = answer.expect("it answers").json().await.expect("JSON");
        let all = last["attention"].as_array().expect("a list");
        let found = all.iter().find(|it| it["matter"] == matter);
        if found.is_some() == is_there {
            return found.map(|it| it["cause"].to_string()).unwrap_or_default();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("{matter}: {last}");
}

#[tokio::test]
async fn a_clock_that_is_off_nats_away_and_a_locked_table_need_attention() {
    let (database, mut nats) = (TestDatabase::new(), NatsServer::start(""));
    let admin = format!("127.0.0.1:{}", free_port());
    let stage = Stage::with_account()
        .with("COUNTERSIGN_DATABASE__URL", &database.url())
        .with("COUNTERSIGN_MASTER_KEY", &"ab".repeat(32))
        .with("COUNTERSIGN_BUS__NATS", &nats.url())
        .with("COUNTERSIGN_ADMIN__LISTEN", &admin)
        .with("LD_PRELOAD", faketime::library().to_str().expect("a path in UTF-8"))
        .with("FAKETIME", "+120")
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let running = stage.serve(&[]).await;
    let cause = until(&admin, "clock_off", true).await;
    assert!(cause.contains("ahead"), "{cause}");

    until(&admin, "nodes_apart", false).await;
    nats.kill();
    until(&admin, "nodes_apart", true).await;
    nats.start_again();
    until(&admin, "nodes_apart", false).await;

    until(&admin, "database_away", false).await;
    let lock = database.hold("LOCK TABLE installation IN ACCESS EXCLUSIVE MODE");
    until(&admin, "database_away", true).await;
    drop(lock);
    until(&admin, "database_away", false).await;
    running.stop().await;
}
