//! The bus between processes over real NATS servers. The nodes of a test are clients of one server.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a test is read, not called")]

mod login;
mod moves;
mod outages;
mod sealing;
mod support;

use countersign_bus::conformance::BusPair;
use countersign_testkit::{ManualClock, NatsServer};

use crate::support::Node;

async fn two_nodes() -> (BusPair, NatsServer) {
    let server = NatsServer::start("");
    let clock = ManualClock::new();
    let here = Node::connect(&server, &clock, 1).await;
    let there = Node::connect(&server, &clock, 2).await;
    (BusPair { here: here.bus, there: there.bus, clock }, server)
}

async fn one_node() -> (BusPair, NatsServer) {
    let server = NatsServer::start("");
    let clock = ManualClock::new();
    let bus = Node::connect(&server, &clock, 1).await.bus;
    (BusPair { here: bus.clone(), there: bus, clock }, server)
}

mod between_two_nodes {
    use super::two_nodes;

    countersign_bus::conformance!(two_nodes);
}

mod at_one_node {
    use super::one_node;

    countersign_bus::conformance!(one_node);
}
