//! A device moves from one node to another, and a third node makes offers to it.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::conformance::{PHONE, next_offer, offer};
use countersign_bus::{Attachment, Bus as _, Detached, NatsBus, OfferOutcome};
use countersign_domain::world::Clock as _;
use countersign_testkit::{ManualClock, NatsServer, SeededEntropy};
use tokio::sync::oneshot;

use crate::support::{Node, clock_runs, options};

struct Stage {
    server: NatsServer,
    clock: ManualClock,
    before: Node,
    after: Node,
    asking: Node,
}

impl Stage {
    async fn set() -> Self {
        let server = NatsServer::start("");
        let clock = ManualClock::new();
        let node = |seed| Node::connect(&server, &clock, seed);
        let (before, after, asking) = (node(1).await, node(2).await, node(3).await);
        Self { server, clock, before, after, asking }
    }

    /// Attaches a second later, so that an older socket may be replaced.
    async fn attached(&self, node: &Node) -> Attachment {
        self.clock.advance(Duration::from_secs(1));
        node.bus.attach(PHONE, self.clock.monotonic()).await.expect("no other socket is that new")
    }

    /// Checks that offers end with the socket's own outcome, and that `other` does not reply before it.
    async fn only_the_socket_replies(&self, socket: &mut Attachment, other: &Node) {
        for _ in 0..20 {
            let (outcome, ()) = tokio::join!(self.asking.bus.offer(offer()), async {
                let pending = next_offer(socket).await;
                for _ in 0..5 {
                    // Gives other nodes time to reply.
                    assert!(other.bus.is_attached(PHONE).await);
                    assert!(self.asking.bus.is_attached(PHONE).await);
                }
                pending.reply.send(OfferOutcome::Acknowledged).expect("the offer is awaited");
            });
            assert_eq!(outcome, OfferOutcome::Acknowledged);
        }
    }
}

#[tokio::test]
async fn the_node_that_the_device_left_does_not_reply() {
    let stage = Stage::set().await;
    drop(stage.attached(&stage.before).await);
    let mut socket = stage.attached(&stage.after).await;
    stage.only_the_socket_replies(&mut socket, &stage.before).await;
}

#[tokio::test]
async fn the_node_that_gave_the_device_up_does_not_reply() {
    let stage = Stage::set().await;
    let mut older = stage.attached(&stage.before).await;
    let mut socket = stage.attached(&stage.after).await;
    assert_eq!((&mut older.detached).await, Ok(Detached::Replaced));
    stage.only_the_socket_replies(&mut socket, &stage.before).await;
    drop(older);
    stage.only_the_socket_replies(&mut socket, &stage.before).await;
}

#[tokio::test]
async fn a_node_that_the_device_returns_to_replies_again() {
    let stage = Stage::set().await;
    let older = stage.attached(&stage.before).await;
    let between = stage.attached(&stage.after).await;
    let mut socket = stage.attached(&stage.before).await;
    stage.only_the_socket_replies(&mut socket, &stage.after).await;
    drop((older, between));
    stage.only_the_socket_replies(&mut socket, &stage.after).await;
    drop(socket);
    let offered = clock_runs(&stage.clock, stage.asking.bus.offer(offer())).await;
    assert_eq!(offered, OfferOutcome::NotConnected);
}

/// The dead node's reply never comes, and the device is at another node by then.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_to_a_dead_node_ends_early() {
    let stage = Stage::set().await;
    // On its own runtime, which ends like a process.
    let dying = tokio::runtime::Runtime::new().unwrap();
    let (options, time) = (options(&stage.server), Arc::new(stage.clock.clone()));
    let entropy = Arc::new(SeededEntropy::new(4));
    let (tell, is_there) = oneshot::channel();
    let (written, is_written) = oneshot::channel();
    dying.spawn(async move {
        let bus = NatsBus::connect(&options, time.clone(), entropy).await.expect("a connection");
        let mut socket = bus.attach(PHONE, time.monotonic()).await.expect("no socket holds it");
        tell.send(()).unwrap();
        let pending = next_offer(&mut socket).await;
        written.send(()).unwrap();
        std::future::pending::<()>().await;
        drop((bus, socket, pending));
    });
    is_there.await.unwrap();
    let began = stage.clock.now();
    let asking = Arc::clone(&stage.asking.bus);
    let offered = tokio::spawn(async move { asking.offer(offer()).await });
    is_written.await.unwrap();
    dying.shutdown_background();
    stage.clock.advance(Duration::from_secs(1));
    let attach = stage.after.bus.attach(PHONE, stage.clock.monotonic());
    let _socket = clock_runs(&stage.clock, attach).await.expect("no other socket is that new");
    let outcome = clock_runs(&stage.clock, offered).await.unwrap();
    assert_eq!(outcome, OfferOutcome::Unacknowledged, "it may have been shown");
    let waited = stage.clock.now().since(began);
    assert!(waited < Duration::from_secs(11), "{waited:?}");
}

#[tokio::test]
async fn an_offer_in_hand_does_not_end_early() {
    let stage = Stage::set().await;
    let mut socket = stage.attached(&stage.before).await;
    let asking = Arc::clone(&stage.asking.bus);
    let offered = tokio::spawn(async move { asking.offer(offer()).await });
    let pending = next_offer(&mut socket).await;
    for _ in 0..9 {
        stage.clock.advance(Duration::from_secs(1));
        assert!(stage.asking.bus.is_attached(PHONE).await);
    }
    pending.reply.send(OfferOutcome::Acknowledged).expect("the offer is awaited");
    assert_eq!(offered.await.unwrap(), OfferOutcome::Acknowledged);
}
