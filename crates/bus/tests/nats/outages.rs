//! The bus while the NATS server is down, and after it is back.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::conformance::{CHALLENGE, PHONE, next_offer, offer};
use countersign_bus::{Attachment, Bus, Link, OfferOutcome};
use countersign_bus::{Detached, NatsBus};
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
        node.bus.attach(PHONE, self.clock.monotonic()).await.expect("no other socket is that new")
    }

    async fn stop_server(&mut self) {
        self.server.kill();
        self.both(Link::Down).await;
    }

    async fn restart_server(&mut self) {
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
        let pending = next_offer(socket).await;
        pending.reply.send(OfferOutcome::Acknowledged).expect("the offer is awaited");
    });
    assert_eq!(heard, OfferOutcome::Acknowledged);
}

#[tokio::test]
async fn a_socket_is_found_after_a_server_restart() {
    let mut stage = Stage::set().await;
    let mut socket = stage.attached(&stage.there).await;
    is_acknowledged(&stage.here, &mut socket).await;
    for _ in 0..2 {
        stage.stop_server().await;
        assert_eq!(stage.here.bus.offer(offer()).await, OfferOutcome::NotConnected, "at once");
        assert!(!stage.here.bus.is_attached(PHONE).await);
        assert_eq!(stage.there.bus.held(), [PHONE]);
        is_acknowledged(&stage.there, &mut socket).await;

        stage.restart_server().await;
        assert!(stage.here.bus.is_attached(PHONE).await);
        is_acknowledged(&stage.here, &mut socket).await;
    }
}

#[tokio::test]
async fn a_socket_attached_during_an_outage_is_found_afterwards() {
    let mut stage = Stage::set().await;
    stage.stop_server().await;
    let mut socket = stage.attached(&stage.there).await;
    is_acknowledged(&stage.there, &mut socket).await;
    stage.restart_server().await;
    is_acknowledged(&stage.here, &mut socket).await;
}

#[tokio::test]
async fn of_two_sockets_on_two_nodes_the_newer_one_stays() {
    let mut stage = Stage::set().await;
    let older = stage.attached(&stage.there).await;
    stage.clock.advance(Duration::from_secs(5));
    stage.stop_server().await;
    let mut newer = stage.attached(&stage.here).await;
    stage.clock.advance(Duration::from_secs(5));
    stage.restart_server().await;
    assert_eq!(older.detached.await, Ok(Detached::Replaced));
    assert!(newer.detached.try_recv().is_err());
    is_acknowledged(&stage.there, &mut newer).await;
}

#[tokio::test]
async fn a_device_that_disconnects_during_an_outage_is_not_found_afterwards() {
    let mut stage = Stage::set().await;
    let socket = stage.attached(&stage.there).await;
    stage.stop_server().await;
    drop(socket);
    stage.restart_server().await;
    assert!(!stage.here.bus.is_attached(PHONE).await);
    assert_eq!(stage.here.bus.offer(offer()).await, OfferOutcome::NotConnected);
}

#[tokio::test]
async fn an_acknowledgement_survives_a_short_outage() {
    let mut stage = Stage::set().await;
    let mut socket = stage.attached(&stage.there).await;
    let bus = Arc::clone(&stage.here.bus);
    let offered = tokio::spawn(async move { bus.offer(offer()).await });
    let pending = next_offer(&mut socket).await;
    stage.stop_server().await;
    stage.restart_server().await;
    pending.reply.send(OfferOutcome::Acknowledged).expect("the offer is awaited");
    assert_eq!(offered.await.unwrap(), OfferOutcome::Acknowledged);
}

#[tokio::test]
async fn an_offer_times_out() {
    let stage = Stage::set().await;
    let mut socket = stage.attached(&stage.there).await;
    let bus = Arc::clone(&stage.here.bus);
    let offered = tokio::spawn(async move { bus.offer(offer()).await });
    let _pending = next_offer(&mut socket).await;
    stage.clock.advance(Duration::from_secs(11));
    tokio::task::yield_now().await;
    assert!(!offered.is_finished());
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(offered.await.unwrap(), OfferOutcome::Unacknowledged, "it may have been written");
}

#[tokio::test]
async fn watchers_are_woken_every_second_during_an_outage() {
    let mut stage = Stage::set().await;
    let watch = stage.here.bus.watch(CHALLENGE).await;
    stage.stop_server().await;
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
    let mut socket = there.bus.attach(PHONE, clock.monotonic()).await.expect("no socket holds it");
    server.start_again();
    here.link_is(Link::Up).await;
    there.link_is(Link::Up).await;
    is_acknowledged(&here, &mut socket).await;
}

#[tokio::test]
async fn a_device_of_a_dead_node_is_not_found() {
    let server = NatsServer::start("");
    let clock = ManualClock::new();
    let here = Node::connect(&server, &clock, 1).await;
    let entropy = Arc::new(SeededEntropy::new(2));
    // On its own runtime, which ends like a process.
    let there = tokio::runtime::Runtime::new().unwrap();
    let (options, time) = (options(&server), Arc::new(clock.clone()));
    let _held = there.spawn(async move {
        let bus = NatsBus::connect(&options, time.clone(), entropy).await.expect("a connection");
        let socket = bus.attach(PHONE, time.monotonic()).await.expect("no socket holds it");
        (bus, socket)
    });
    while !here.bus.is_attached(PHONE).await {
        tokio::task::yield_now().await;
    }
    there.shutdown_background();
    // A request that crosses the end of the connection gets no reply.
    while clock_runs(&clock, here.bus.is_attached(PHONE)).await {}
    assert_eq!(here.bus.offer(offer()).await, OfferOutcome::NotConnected);
}

#[tokio::test]
async fn clusters_with_different_prefixes_share_a_server() {
    let server = NatsServer::start("");
    let clock = ManualClock::new();
    let mut options = options(&server);
    let ours = Node::with(&options, &clock, 1).await;
    options.prefix = "theirs".to_owned();
    let theirs = Node::with(&options, &clock, 2).await;
    let _socket = theirs.bus.attach(PHONE, clock.monotonic()).await.expect("no socket holds it");
    assert!(!ours.bus.is_attached(PHONE).await);
    assert!(
        ours.bus.attach(PHONE, clock.monotonic()).await.is_some(),
        "the other cluster's device is another one"
    );
}

#[tokio::test]
async fn unknown_messages_are_ignored() {
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
    let watch = stage.there.bus.watch(CHALLENGE).await;
    let changed = watch.changed();
    stage.here.bus.challenge_changed(CHALLENGE).await;
    changed.await;
}
