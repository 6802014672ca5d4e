//! A stranger who may publish and subscribe on the same NATS reads nothing, and its messages have no effect.

use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use countersign_bus::conformance::{CHALLENGE, PHONE, next_offer, offer};
use countersign_bus::nats::{NatsOptions, SealingKey};
use countersign_bus::{Attachment, Detached, OfferOutcome};
use countersign_domain::world::Clock as _;
use countersign_testkit::{ManualClock, NatsServer};
use futures_util::StreamExt as _;

use crate::support::{Node, clock_runs, options};

/// The subject of [`PHONE`].
const DEVICE: &str = "test.device.03030303030303030303030303030303";
/// Plaintext of `wire.rs`: dismiss the device; the offer was acknowledged.
const DISMISS: &[u8] = &[1, 5];
const ACKNOWLEDGED: &[u8] = &[1, 1];

struct Stage {
    clock: ManualClock,
    here: Node,
    there: Node,
    stranger: Client,
    _server: NatsServer,
}

impl Stage {
    async fn set() -> Self {
        let server = NatsServer::start("");
        let clock = ManualClock::new();
        let here = Node::connect(&server, &clock, 1).await;
        let there = Node::connect(&server, &clock, 2).await;
        let stranger = async_nats::connect(server.url()).await.expect("a connection");
        Self { clock, here, there, stranger, _server: server }
    }

    async fn attached(&self) -> Attachment {
        self.there
            .bus
            .attach(PHONE, self.clock.monotonic())
            .await
            .expect("no other socket is that new")
    }

    /// Subscribes the stranger to a subject.
    async fn tap(&self, subject: &str) -> Subscriber {
        let tap = self.stranger.subscribe(subject.to_owned()).await.expect("it is permitted");
        self.sync().await;
        tap
    }

    /// Waits until the server has processed everything that the stranger sent.
    async fn sync(&self) {
        let nobody = self.stranger.request("elsewhere", "".into()).await;
        assert!(nobody.is_err(), "the subject has no subscriber");
    }

    async fn publish(&self, subject: &str, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref().to_vec().into();
        self.stranger.publish(subject.to_owned(), payload).await.expect("it is permitted");
        self.sync().await;
    }

    async fn repeat(&self, heard: &Message, subject: &str) {
        let again = (subject.to_owned(), heard.payload.clone());
        match heard.reply.clone() {
            Some(inbox) => self.stranger.publish_with_reply(again.0, inbox, again.1).await,
            None => self.stranger.publish(again.0, again.1).await,
        }
        .expect("it is permitted");
        self.sync().await;
    }

    /// Makes an offer here that `socket` acknowledges.
    async fn is_acknowledged(&self, socket: &mut Attachment) {
        let (outcome, ()) = tokio::join!(self.here.bus.offer(offer()), async {
            let pending = next_offer(socket).await;
            pending.reply.send(OfferOutcome::Acknowledged).expect("the offer is awaited");
        });
        assert_eq!(outcome, OfferOutcome::Acknowledged);
    }
}

fn holds(payload: &[u8], text: &[u8]) -> bool {
    payload.windows(text.len()).any(|bytes| bytes == text)
}

#[tokio::test]
async fn a_subscriber_can_read_neither_prompts_nor_sids() {
    let stage = Stage::set().await;
    let mut socket = stage.attached().await;
    let (mut to_devices, mut to_all) = (stage.tap(DEVICE).await, stage.tap("test.all").await);
    stage.is_acknowledged(&mut socket).await;
    stage.here.bus.challenge_changed(CHALLENGE).await;
    let prompt = to_devices.next().await.unwrap();
    let text = offer().message.as_str().as_bytes().to_vec();
    assert!(prompt.payload.len() > text.len() && !holds(&prompt.payload, &text));
    assert!(!holds(&prompt.payload, offer().challenge.as_bytes()));
    let settled = to_all.next().await.unwrap();
    assert!(!holds(&settled.payload, CHALLENGE.as_bytes()));
}

#[tokio::test]
async fn a_stranger_cannot_acknowledge_a_prompt() {
    let stage = Stage::set().await;
    let mut socket = stage.attached().await;
    let mut tap = stage.tap(DEVICE).await;
    let bus = stage.here.bus.clone();
    let mut offered = tokio::spawn(async move { bus.offer(offer()).await });
    let pending = next_offer(&mut socket).await;
    let inbox = tap.next().await.unwrap().reply.expect("a reply is awaited");
    // The reply of the other node without a seal, then a sealed reply to another request.
    stage.publish(&inbox, ACKNOWLEDGED).await;
    let mut replies = stage.tap(&inbox).await;
    pending.reply.send(OfferOutcome::Unacknowledged).expect("the offer is awaited");
    assert_eq!((&mut offered).await.unwrap(), OfferOutcome::Unacknowledged);
    let old_reply = replies.next().await.unwrap();

    let bus = stage.here.bus.clone();
    let offered = tokio::spawn(async move { bus.offer(offer()).await });
    let pending = next_offer(&mut socket).await;
    let inbox = tap.next().await.unwrap().reply.expect("a reply is awaited");
    stage.publish(&inbox, &old_reply.payload).await;
    pending.reply.send(OfferOutcome::Acknowledged).expect("the offer is awaited");
    assert_eq!(
        offered.await.unwrap(),
        OfferOutcome::Acknowledged,
        "the outcome comes from the device"
    );
}

#[tokio::test]
async fn a_stranger_cannot_dismiss_a_device() {
    let stage = Stage::set().await;
    let mut socket = stage.attached().await;
    stage.publish(DEVICE, DISMISS).await;
    stage.is_acknowledged(&mut socket).await;
    assert!(socket.detached.try_recv().is_err(), "the socket stays attached");
}

#[tokio::test]
async fn a_repeated_message_has_no_effect() {
    let stage = Stage::set().await;
    let mut tap = stage.tap(DEVICE).await;
    // A subscriber keeps NATS from replying "no responders".
    let socket = clock_runs(&stage.clock, stage.attached()).await;
    stage.here.bus.dismiss(PHONE).await;
    assert_eq!(socket.detached.await, Ok(Detached::Dismissed));
    let mut heard = Vec::new();
    // A request of the node where the device attached, and the dismissal.
    while heard.len() < 2 {
        heard.push(tap.next().await.unwrap());
    }
    stage.clock.advance(Duration::from_secs(1));
    let mut socket = clock_runs(&stage.clock, stage.attached()).await;
    for message in &heard {
        stage.repeat(message, DEVICE).await;
    }
    stage.is_acknowledged(&mut socket).await;
    assert!(socket.detached.try_recv().is_err(), "the socket stays attached");
    // Also when the replay guard has forgotten it: by then it is too old.
    stage.clock.advance(Duration::from_secs(31));
    for message in &heard {
        stage.repeat(message, DEVICE).await;
    }
    stage.is_acknowledged(&mut socket).await;
    assert!(socket.detached.try_recv().is_err(), "the socket stays attached");
}

#[tokio::test]
async fn a_message_for_one_device_has_no_effect_on_another() {
    let stage = Stage::set().await;
    let other = countersign_domain::sid::FactorSid::from_bytes([9; 16]);
    let mut tap = stage.tap(&format!("test.device.{}", "09".repeat(16))).await;
    stage.here.bus.dismiss(other).await;
    let dismissal = tap.next().await.unwrap();
    let mut socket = stage.attached().await;
    stage.repeat(&dismissal, DEVICE).await;
    stage.is_acknowledged(&mut socket).await;
    assert!(socket.detached.try_recv().is_err(), "the socket stays attached");
}

#[tokio::test]
async fn nodes_with_another_master_key_are_ignored() {
    let server = NatsServer::start("");
    let clock = ManualClock::new();
    let ours = Node::connect(&server, &clock, 1).await;
    let options = NatsOptions { key: SealingKey::new(&[8; 32]), ..options(&server) };
    let theirs = Node::with(&options, &clock, 2).await;
    let socket =
        ours.bus.attach(PHONE, clock.monotonic()).await.expect("no other socket is that new");
    assert!(!clock_runs(&clock, theirs.bus.is_attached(PHONE)).await);
    theirs.bus.dismiss(PHONE).await;
    assert!(ours.bus.is_attached(PHONE).await);
    drop(socket);
}

/// NATS replies at once that a subject has no subscriber; a stranger who subscribes to all subjects prevents that.
#[tokio::test]
async fn a_stranger_subscribed_to_everything_delays_no_offer_for_long() {
    let stage = Stage::set().await;
    let _tap = stage.tap("test.>").await;
    let began = stage.clock.monotonic();
    let is_there = clock_runs(&stage.clock, stage.here.bus.is_attached(PHONE)).await;
    assert!(!is_there);
    let outcome = clock_runs(&stage.clock, stage.here.bus.offer(offer())).await;
    assert_eq!(outcome, OfferOutcome::NotConnected);
    let took = stage.clock.monotonic().since(began);
    assert!(took <= Duration::from_secs(4), "{took:?}");

    let mut socket = clock_runs(&stage.clock, stage.attached()).await;
    assert!(stage.here.bus.is_attached(PHONE).await);
    stage.is_acknowledged(&mut socket).await;
}
