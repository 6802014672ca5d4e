//! A device goes from one node to another, and a third one looks for it.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::conformance::{PHONE, offer};
use countersign_bus::{Attachment, Bus as _, NatsBus, Parting, Reception};
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

    /// A second after whatever was before, so that it may be taken over.
    async fn attached(&self, node: &Node) -> Attachment {
        self.clock.advance(Duration::from_secs(1));
        node.bus.attach(PHONE, self.clock.monotonic()).await.expect("nobody else is so new")
    }

    /// Offers wait for the device's own answer, and no other comes before it.
    async fn only_the_socket_answers(&self, socket: &mut Attachment, elsewhere: &Node) {
        for _ in 0..20 {
            let (heard, ()) = tokio::join!(self.asking.bus.offer(offer()), async {
                let pending = socket.offers.recv().await.expect("the bus lives");
                for _ in 0..5 {
                    // time for whoever else would answer
                    assert!(elsewhere.bus.is_attached(PHONE).await);
                    assert!(self.asking.bus.is_attached(PHONE).await);
                }
                pending.reply.send(Reception::Acknowledged).expect("the other side waits");
            });
            assert_eq!(heard, Reception::Acknowledged);
        }
    }
}

#[tokio::test]
async fn the_node_that_it_left_is_silent() {
    let stage = Stage::set().await;
    drop(stage.attached(&stage.before).await);
    let mut socket = stage.attached(&stage.after).await;
    stage.only_the_socket_answers(&mut socket, &stage.before).await;
}

#[tokio::test]
async fn the_node_that_it_is_taken_from_is_silent() {
    let stage = Stage::set().await;
    let mut older = stage.attached(&stage.before).await;
    let mut socket = stage.attached(&stage.after).await;
    assert_eq!((&mut older.parting).await, Ok(Parting::Replaced));
    stage.only_the_socket_answers(&mut socket, &stage.before).await;
    drop(older);
    stage.only_the_socket_answers(&mut socket, &stage.before).await;
}

#[tokio::test]
async fn a_node_that_it_comes_back_to_answers_again() {
    let stage = Stage::set().await;
    let older = stage.attached(&stage.before).await;
    let between = stage.attached(&stage.after).await;
    let mut socket = stage.attached(&stage.before).await;
    stage.only_the_socket_answers(&mut socket, &stage.after).await;
    drop((older, between));
    stage.only_the_socket_answers(&mut socket, &stage.after).await;
    drop(socket);
    let offered = clock_runs(&stage.clock, stage.asking.bus.offer(offer())).await;
    assert_eq!(offered, Reception::Nobody);
}

/// Its answer will never come, and the device is at another node by now.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_died_with_its_node_is_not_waited_for() {
    let stage = Stage::set().await;
    // On a runtime of its own, which ends as a process does.
    let dying = tokio::runtime::Runtime::new().unwrap();
    let (options, time) = (options(&stage.server), Arc::new(stage.clock.clone()));
    let entropy = Arc::new(SeededEntropy::new(4));
    let (tell, is_there) = oneshot::channel();
    let (written, is_written) = oneshot::channel();
    dying.spawn(async move {
        let bus = NatsBus::connect(&options, time.clone(), entropy).await.expect("a connection");
        let mut socket = bus.attach(PHONE, time.monotonic()).await.expect("nobody holds it");
        tell.send(()).unwrap();
        let pending = socket.offers.recv().await.expect("an offer");
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
    let _socket = clock_runs(&stage.clock, attach).await.expect("nobody else is so new");
    let heard = clock_runs(&stage.clock, offered).await.unwrap();
    assert_eq!(heard, Reception::Unacknowledged, "it may have been shown");
    let waited = stage.clock.now().since(began);
    assert!(waited < Duration::from_secs(11), "{waited:?}");
}

#[tokio::test]
async fn an_offer_in_hand_is_waited_for() {
    let stage = Stage::set().await;
    let mut socket = stage.attached(&stage.before).await;
    let asking = Arc::clone(&stage.asking.bus);
    let offered = tokio::spawn(async move { asking.offer(offer()).await });
    let pending = socket.offers.recv().await.expect("the bus lives");
    for _ in 0..9 {
        stage.clock.advance(Duration::from_secs(1));
        assert!(stage.asking.bus.is_attached(PHONE).await);
    }
    pending.reply.send(Reception::Acknowledged).expect("the other side waits");
    assert_eq!(offered.await.unwrap(), Reception::Acknowledged);
}
