//! The server goes away and comes back; what nodes do meanwhile, and afterwards.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::conformance::{PHONE, QUESTION, offer};
use countersign_bus::{Attachment, Bus, Link, Reception};
use countersign_bus::{NatsBus, Parting};
use countersign_domain::world::Clock as _;
use countersign_testkit::{ManualClock, NatsServer, SeededEntropy};

use crate::support::{Node, clock_runs, options};

struct Stage {
    server: NatsServer,
    clock: ManualClock,
    here: Node,
    there: Node,
}

impl Stage {
    async fn set() -> Self {
        let server = NatsServer::start("");
        let clock = ManualClock::new();
        let here = Node::connect(&server, &clock, 1).await;
        let there = Node::connect(&server, &clock, 2).await;
        Self { server, clock, here, there }
    }

    async fn attached(&self, node: &Node) -> Attachment {
        node.bus.attach(PHONE, self.clock.monotonic()).await.expect("nobody else is so new")
    }

    async fn lose_the_server(&mut self) {
        self.server.kill();
        self.both(Link::Down).await;
    }

    async fn get_it_back(&mut self) {
        self.server.start_again();
        self.both(Link::Up).await;
    }

    async fn both(&self, link: Link) {
        self.here.link_is(link).await;
        self.there.link_is(link).await;
    }
}

/// An offer from `node` that `socket` acknowledges.
async fn is_acknowledged(node: &Node, socket: &mut Attachment) {
    let (heard, ()) = tokio::join!(node.bus.offer(offer()), async {
        let pending = socket.offers.recv().await.expect("the bus lives");
        pending.reply.send(Reception::Acknowledged).expect("the other side waits");
    });
    assert_eq!(heard, Reception::Acknowledged);
}

#[tokio::test]
async fn a_socket_is_found_again_after_the_server_was_gone() {
    let mut stage = Stage::set().await;
    let mut socket = stage.attached(&stage.there).await;
    is_acknowledged(&stage.here, &mut socket).await;
    for _ in 0..2 {
        stage.lose_the_server().await;
        assert_eq!(stage.here.bus.offer(offer()).await, Reception::Nobody, "at once");
        assert!(!stage.here.bus.is_attached(PHONE).await);
        assert_eq!(stage.there.bus.held(), [PHONE]);
        is_acknowledged(&stage.there, &mut socket).await;

        stage.get_it_back().await;
        assert!(stage.here.bus.is_attached(PHONE).await);
        is_acknowledged(&stage.here, &mut socket).await;
    }
}

#[tokio::test]
async fn a_socket_that_came_while_the_server_was_gone_is_found_when_it_is_back() {
    let mut stage = Stage::set().await;
    stage.lose_the_server().await;
    let mut socket = stage.attached(&stage.there).await;
    is_acknowledged(&stage.there, &mut socket).await;
    stage.get_it_back().await;
    is_acknowledged(&stage.here, &mut socket).await;
}

#[tokio::test]
async fn of_two_sockets_at_two_nodes_the_newer_one_stays() {
    let mut stage = Stage::set().await;
    let older = stage.attached(&stage.there).await;
    stage.clock.advance(Duration::from_secs(5));
    stage.lose_the_server().await;
    let mut newer = stage.attached(&stage.here).await;
    stage.clock.advance(Duration::from_secs(5));
    stage.get_it_back().await;
    assert_eq!(older.parting.await, Ok(Parting::Replaced));
    assert!(newer.parting.try_recv().is_err());
    is_acknowledged(&stage.there, &mut newer).await;
}

#[tokio::test]
async fn a_device_that_goes_while_the_server_is_gone_is_not_found_afterwards() {
    let mut stage = Stage::set().await;
    let socket = stage.attached(&stage.there).await;
    stage.lose_the_server().await;
    drop(socket);
    stage.get_it_back().await;
    assert!(!stage.here.bus.is_attached(PHONE).await);
    assert_eq!(stage.here.bus.offer(offer()).await, Reception::Nobody);
}

#[tokio::test]
async fn an_ack_survives_a_short_outage() {
    let mut stage = Stage::set().await;
    let mut socket = stage.attached(&stage.there).await;
    let bus = Arc::clone(&stage.here.bus);
    let offered = tokio::spawn(async move { bus.offer(offer()).await });
    let pending = socket.offers.recv().await.expect("the bus lives");
    stage.lose_the_server().await;
    stage.get_it_back().await;
    pending.reply.send(Reception::Acknowledged).expect("the other side waits");
    assert_eq!(offered.await.unwrap(), Reception::Acknowledged);
}

#[tokio::test]
async fn an_offer_is_not_waited_for_without_end() {
    let stage = Stage::set().await;
    let mut socket = stage.attached(&stage.there).await;
    let bus = Arc::clone(&stage.here.bus);
    let offered = tokio::spawn(async move { bus.offer(offer()).await });
    let _pending = socket.offers.recv().await.expect("the bus lives");
    stage.clock.advance(Duration::from_secs(11));
    tokio::task::yield_now().await;
    assert!(!offered.is_finished());
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(offered.await.unwrap(), Reception::Unacknowledged, "it may have been written");
}

#[tokio::test]
async fn whoever_waits_for_an_answer_looks_again_while_nobody_can_tell() {
    let mut stage = Stage::set().await;
    let watch = stage.here.bus.watch(QUESTION).await;
    stage.lose_the_server().await;
    for _ in 0..2 {
        let changed = watch.changed();
        stage.clock.advance(Duration::from_secs(1));
        changed.await;
    }
    let changed = watch.changed();
    stage.server.start_again();
    changed.await;
}

#[tokio::test]
async fn a_node_starts_without_a_server() {
    let mut server = NatsServer::start("");
    server.kill();
    let clock = ManualClock::new();
    let here = Node::connect(&server, &clock, 1).await;
    let there = Node::connect(&server, &clock, 2).await;
    assert_eq!(*here.bus.link().unwrap().borrow(), Link::Down);
    let mut socket = there.bus.attach(PHONE, clock.monotonic()).await.expect("nobody holds it");
    server.start_again();
    here.link_is(Link::Up).await;
    there.link_is(Link::Up).await;
    is_acknowledged(&here, &mut socket).await;
}

#[tokio::test]
async fn a_node_that_is_gone_holds_nobody() {
    let server = NatsServer::start("");
    let clock = ManualClock::new();
    let here = Node::connect(&server, &clock, 1).await;
    let entropy = Arc::new(SeededEntropy::new(2));
    // On a runtime of its own, which ends as a process does.
    let there = tokio::runtime::Runtime::new().unwrap();
    let (options, time) = (options(&server), Arc::new(clock.clone()));
    let _held = there.spawn(async move {
        let bus = NatsBus::connect(&options, time.clone(), entropy).await.expect("a connection");
        let socket = bus.attach(PHONE, time.monotonic()).await.expect("nobody holds it");
        (bus, socket)
    });
    while !here.bus.is_attached(PHONE).await {
        tokio::task::yield_now().await;
    }
    there.shutdown_background();
    // A question that crosses the end of the connection has no answer.
    while clock_runs(&clock, here.bus.is_attached(PHONE)).await {}
    assert_eq!(here.bus.offer(offer()).await, Reception::Nobody);
}

#[tokio::test]
async fn clusters_with_different_prefixes_share_a_server() {
    let server = NatsServer::start("");
    let clock = ManualClock::new();
    let mut options = options(&server);
    let ours = Node::with(&options, &clock, 1).await;
    options.prefix = "theirs".to_owned();
    let theirs = Node::with(&options, &clock, 2).await;
    let _socket = theirs.bus.attach(PHONE, clock.monotonic()).await.expect("nobody holds it");
    assert!(!ours.bus.is_attached(PHONE).await);
    assert!(ours.bus.attach(PHONE, clock.monotonic()).await.is_some(), "another device altogether");
}

#[tokio::test]
async fn what_a_node_does_not_understand_it_passes_over() {
    let stage = Stage::set().await;
    let mut socket = stage.attached(&stage.there).await;
    let stranger = async_nats::connect(stage.server.url()).await.expect("a connection");
    let device = format!("test.device.{}", "03".repeat(16));
    for payload in [&b""[..], b"\x01", b"\x01\xc8 of a later version", b"\x02\x01", b"{}"] {
        for subject in [device.as_str(), "test.all"] {
            stranger.publish(subject.to_owned(), payload.into()).await.expect("it is sent");
        }
    }
    stranger.flush().await.expect("it is sent");
    is_acknowledged(&stage.here, &mut socket).await;
    let watch = stage.there.bus.watch(QUESTION).await;
    let changed = watch.changed();
    stage.here.bus.settle(QUESTION).await;
    changed.await;
}
