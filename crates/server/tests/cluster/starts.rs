//! Nodes that start at the same time on an empty database.

use countersign_testkit::NatsServer;
use countersign_testkit::postgres::TestDatabase;

use crate::node::Node;
use crate::stage::MASTER_KEY;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_make_one_first_account() {
    let (database, nats) = (TestDatabase::new(), NatsServer::start(""));
    let mut nodes = [0; 3].map(|_| Node::new(&database.url(), &nats.url(), MASTER_KEY));
    nodes.iter_mut().for_each(Node::begin);
    for node in &mut nodes {
        node.is_ready().await;
    }
    assert_eq!(database.psql("SELECT count(*) FROM accounts"), "1");
    let told: Vec<_> = nodes.iter().filter_map(Node::first_account).collect();
    assert_eq!(told.len(), 1, "one of them tells its token: {told:?}");
    let sid = told[0].lines().next().and_then(|line| line.strip_prefix("account_sid=AC"));
    let kept = database.psql("SELECT replace(sid::text, '-', '') FROM accounts");
    assert_eq!(sid, Some(kept.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_master_keys_on_an_empty_database_one_is_refused() {
    let (database, nats) = (TestDatabase::new(), NatsServer::start(""));
    let keys = [MASTER_KEY.to_owned(), "cd".repeat(32)];
    let mut nodes = keys.map(|key| Node::new(&database.url(), &nats.url(), &key).with_account());
    nodes.iter_mut().for_each(Node::begin);
    let [one, other] = &mut nodes;
    let (first_ended, survivor) = tokio::select! {
        well = one.ends() => ((well, one.log()), other),
        well = other.ends() => ((well, other.log()), one),
    };
    assert!(!first_ended.0);
    assert!(first_ended.1.contains("the master key does not belong"), "{}", first_ended.1);
    survivor.is_ready().await;
}
