//! A stranger who may publish and subscribe on our NATS reads nothing, and nothing that it says is acted on.

use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use countersign_bus::conformance::{PHONE, QUESTION, offer};
use countersign_bus::nats::{Options, SealingKey};
use countersign_bus::{Attachment, Parting, Reception};
use countersign_domain::world::Clock as _;
use countersign_testkit::{ManualClock, NatsServer};
use futures_util::StreamExt as _;

use crate::support::{Node, clock_runs, options};

/// Of [`PHONE`].
const DEVICE: &str = "test.device.03030303030303030303030303030303";
/// In `wire.rs`: a device is no longer reached by a stream; an offer was acknowledged.
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
        self.there.bus.attach(PHONE, self.clock.monotonic()).await.expect("nobody else is so new")
    }

    /// The stranger listens to a subject.
    async fn taps(&self, subject: &str) -> Subscriber {
        let tap = self.stranger.subscribe(subject.to_owned()).await.expect("it may");
        self.is_through().await;
        tap
    }

    /// The server has taken all that the stranger did so far.
    async fn is_through(&self) {
        let nobody = self.stranger.request("elsewhere", "".into()).await;
        assert!(nobody.is_err(), "nobody is there");
    }

    async fn says(&self, subject: &str, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref().to_vec().into();
        self.stranger.publish(subject.to_owned(), payload).await.expect("it may");
        self.is_through().await;
    }

    async fn says_again(&self, heard: &Message, subject: &str) {
        let again = (subject.to_owned(), heard.payload.clone());
        match heard.reply.clone() {
            Some(inbox) => self.stranger.publish_with_reply(again.0, inbox, again.1).await,
            None => self.stranger.publish(again.0, again.1).await,
        }
        .expect("it may");
        self.is_through().await;
    }

    /// An offer from here that `socket` acknowledges.
    async fn is_acknowledged(&self, socket: &mut Attachment) {
        let (heard, ()) = tokio::join!(self.here.bus.offer(offer()), async {
            let pending = socket.offers.recv().await.expect("the bus lives");
            pending.reply.send(Reception::Acknowledged).expect("the other side waits");
        });
        assert_eq!(heard, Reception::Acknowledged);
    }
}

fn holds(payload: &[u8], text: &[u8]) -> bool {
    payload.windows(text.len()).any(|bytes| bytes == text)
}

#[tokio::test]
async fn a_listener_reads_neither_a_prompt_nor_whom_it_is_about() {
    let stage = Stage::set().await;
    let mut socket = stage.attached().await;
    let (mut to_devices, mut to_all) = (stage.taps(DEVICE).await, stage.taps("test.all").await);
    stage.is_acknowledged(&mut socket).await;
    stage.here.bus.settle(QUESTION).await;
    let prompt = to_devices.next().await.unwrap();
    let text = offer().message.as_str().as_bytes().to_vec();
    assert!(prompt.payload.len() > text.len() && !holds(&prompt.payload, &text));
    assert!(!holds(&prompt.payload, offer().challenge.as_bytes()));
    let settled = to_all.next().await.unwrap();
    assert!(!holds(&settled.payload, QUESTION.as_bytes()));
}

#[tokio::test]
async fn a_stranger_cannot_acknowledge_a_prompt() {
    let stage = Stage::set().await;
    let mut socket = stage.attached().await;
    let mut tap = stage.taps(DEVICE).await;
    let bus = stage.here.bus.clone();
    let mut offered = tokio::spawn(async move { bus.offer(offer()).await });
    let pending = socket.offers.recv().await.expect("the bus lives");
    let inbox = tap.next().await.unwrap().reply.expect("an answer is waited for");
    // What the other node would say, but for the seal; and a sealed answer to another question.
    stage.says(&inbox, ACKNOWLEDGED).await;
    let mut answers = stage.taps(&inbox).await;
    pending.reply.send(Reception::Unacknowledged).expect("the other side waits");
    assert_eq!((&mut offered).await.unwrap(), Reception::Unacknowledged);
    let old_answer = answers.next().await.unwrap();

    let bus = stage.here.bus.clone();
    let offered = tokio::spawn(async move { bus.offer(offer()).await });
    let pending = socket.offers.recv().await.expect("the bus lives");
    let inbox = tap.next().await.unwrap().reply.expect("an answer is waited for");
    stage.says(&inbox, &old_answer.payload).await;
    pending.reply.send(Reception::Acknowledged).expect("the other side waits");
    assert_eq!(offered.await.unwrap(), Reception::Acknowledged, "of the device, not the old one");
}

#[tokio::test]
async fn a_stranger_cannot_dismiss_a_device() {
    let stage = Stage::set().await;
    let mut socket = stage.attached().await;
    stage.says(DEVICE, DISMISS).await;
    stage.is_acknowledged(&mut socket).await;
    assert!(socket.parting.try_recv().is_err(), "it stays");
}

#[tokio::test]
async fn what_was_said_once_is_not_acted_on_again() {
    let stage = Stage::set().await;
    let mut tap = stage.taps(DEVICE).await;
    // A listener keeps NATS from answering "no responders".
    let socket = clock_runs(&stage.clock, stage.attached()).await;
    stage.here.bus.dismiss(PHONE).await;
    assert_eq!(socket.parting.await, Ok(Parting::Dismissed));
    let mut heard = Vec::new();
    // A question of the node that it was attached at, and the dismissal.
    while heard.len() < 2 {
        heard.push(tap.next().await.unwrap());
    }
    stage.clock.advance(Duration::from_secs(1));
    let mut socket = clock_runs(&stage.clock, stage.attached()).await;
    for message in &heard {
        stage.says_again(message, DEVICE).await;
    }
    stage.is_acknowledged(&mut socket).await;
    assert!(socket.parting.try_recv().is_err(), "it stays");
    // Nor later, when nobody remembers: by then it is too old.
    stage.clock.advance(Duration::from_secs(31));
    for message in &heard {
        stage.says_again(message, DEVICE).await;
    }
    stage.is_acknowledged(&mut socket).await;
    assert!(socket.parting.try_recv().is_err(), "it stays");
}

#[tokio::test]
async fn what_was_said_of_one_device_means_no_other() {
    let stage = Stage::set().await;
    let other = countersign_domain::sid::FactorSid::from_bytes([9; 16]);
    let mut tap = stage.taps(&format!("test.device.{}", "09".repeat(16))).await;
    stage.here.bus.dismiss(other).await;
    let dismissal = tap.next().await.unwrap();
    let mut socket = stage.attached().await;
    stage.says_again(&dismissal, DEVICE).await;
    stage.is_acknowledged(&mut socket).await;
    assert!(socket.parting.try_recv().is_err(), "it stays");
}

#[tokio::test]
async fn nodes_of_another_master_key_are_strangers() {
    let server = NatsServer::start("");
    let clock = ManualClock::new();
    let ours = Node::connect(&server, &clock, 1).await;
    let options = Options { key: SealingKey::new(&[8; 32]), ..options(&server) };
    let theirs = Node::with(&options, &clock, 2).await;
    let socket = ours.bus.attach(PHONE, clock.monotonic()).await.expect("nobody else is so new");
    assert!(!clock_runs(&clock, theirs.bus.is_attached(PHONE)).await);
    theirs.bus.dismiss(PHONE).await;
    assert!(ours.bus.is_attached(PHONE).await);
    drop(socket);
}

/// NATS says at once that nobody listens to a device, and a stranger who listens to all subjects keeps it from saying so.
#[tokio::test]
async fn a_stranger_who_listens_to_everything_keeps_no_offer_waiting() {
    let stage = Stage::set().await;
    let _tap = stage.taps("test.>").await;
    let began = stage.clock.monotonic();
    let is_there = clock_runs(&stage.clock, stage.here.bus.is_attached(PHONE)).await;
    assert!(!is_there);
    let heard = clock_runs(&stage.clock, stage.here.bus.offer(offer())).await;
    assert_eq!(heard, Reception::Nobody);
    let took = stage.clock.monotonic().since(began);
    assert!(took <= Duration::from_secs(4), "by the hands of the clock: {took:?}");

    let mut socket = clock_runs(&stage.clock, stage.attached()).await;
    assert!(stage.here.bus.is_attached(PHONE).await);
    let (heard, ()) =
        tokio::join!(clock_runs(&stage.clock, stage.here.bus.offer(offer())), async {
            let pending = socket.offers.recv().await.expect("the bus lives");
            pending.reply.send(Reception::Acknowledged).expect("the other side waits");
        });
    assert_eq!(heard, Reception::Acknowledged);
}
