//! The bus between processes: core NATS, any server from 2.2 on.
//!
//! | subject, below the prefix | who listens | what is said (`wire.rs`) |
//! | --- | --- | --- |
//! | `device.<factor>` | the node that holds the device's socket | offers, whether one is still in hand, and whether it is there; "no responders": nobody holds it |
//! | `all` | every node | a challenge is settled, something in caches has changed |
//! | `inbox.<node>.*` | one node | answers to its questions |
//!
//! Every message is sealed (`seal.rs`): NATS and those who use it with us carry what they can neither read nor make.
//!
//! What goes on within this process stays in a [`LocalBus`], which is asked first. When the servers cannot be reached,
//! that is all there is: [`Link::Down`]. The connection is made again by itself, with all subscriptions.

mod calls;
mod connection;
mod device;
mod link;
mod seal;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Event, SubscribeError, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{ChallengeSid, FactorSid, NotificationSid};
use countersign_domain::world::{Clock, Entropy, random};
use futures_util::StreamExt as _;
use metrics::{counter, gauge};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

pub use connection::{Login, NatsError, Options};
pub use seal::SealingKey;

use self::calls::{Calls, Unanswered};
use self::device::{Devices, InHand};
use self::seal::{Place, Sealer, Seen};
use self::wire::{Answer, ToAll, ToHolder};
use crate::local::LocalBus;
use crate::seam::{Attachment, Bus, Changed, Link, Listener, Offer, Reception, Watch};

/// A device has ten seconds to acknowledge; then whoever holds it says so.
const OFFER_WITHIN: Duration = Duration::from_secs(12);
/// An offer that was not answered for so long may have been taken by nobody, and is asked after again and again. Most are answered
/// within a fraction of that.
const LOOK_AFTER: Duration = Duration::from_millis(250);
/// For word from a node's memory whether it holds a device, or has an offer in hand.
///
/// NATS tells at once that nobody listens, unless a stranger listens to all subjects. So nothing depends on its word: what no node
/// has answered for, with a sealed answer within this time, is held by none.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// Looks after an offer without any answer, in a row, before it counts as lost.
const SILENT_LOOKS: u32 = 2;
/// For an answer from a node's memory that decides who holds a device.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// For a message to leave this process.
const SAY_WITHIN: Duration = Duration::from_secs(1);
/// Messages to every node that are remembered, so that none is acted on twice.
const SEEN: usize = 65_536;
/// Events of the connection that may wait to be looked at.
const EVENTS: usize = 64;

/// The bus of one process among several. Clones are the same bus; when the last is dropped it lets go of everything.
#[derive(Clone)]
pub struct NatsBus {
    node: Arc<Node>,
    _tasks: Arc<Tasks>,
}

/// Ended when dropped.
struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// What the parts of the bus share.
struct Node {
    local: LocalBus,
    client: Client,
    calls: Calls,
    devices: Devices,
    in_hand: InHand,
    clock: Arc<dyn Clock>,
    sealer: Sealer,
    prefix: String,
    link: watch::Sender<Link>,
}

impl NatsBus {
    /// Connects. Where no server can be reached now, that goes on behind the scenes and the bus begins with
    /// [`Link::Down`].
    ///
    /// # Errors
    /// What does not mend itself: see [`NatsError`].
    pub async fn connect(
        options: &Options,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, NatsError> {
        let name = hex(&random::<16>(&*entropy));
        let (events, happened) = mpsc::channel(EVENTS);
        let client = match connection::connect(options, &name, &entropy, &events).await {
            Ok(client) => client,
            Err(error) if error.may_pass() => {
                tracing::warn!(%error, "the bus has no connection yet; prompts for devices at other nodes are slow until it has");
                connection::connect_some_time(options, &name, &entropy, &events).await?
            }
            Err(error) => return Err(error),
        };
        Self::over(client, options, (clock, entropy), &name, happened).await
    }

    /// Tries once whether NATS can be used; what the server says of itself: its version and its address.
    ///
    /// # Errors
    /// It cannot: see [`NatsError`].
    pub async fn probe(
        options: &Options,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<String, NatsError> {
        let name = hex(&random::<16>(&*entropy));
        let (events, happened) = mpsc::channel(EVENTS);
        let client = connection::connect(options, &name, &entropy, &events).await?;
        let bus = Self::over(client, options, (clock, entropy), &name, happened).await?;
        if bus.node.is_up() {
            Ok(connection::server(&bus.node.client))
        } else {
            Err(NatsError::Forbidden)
        }
    }

    async fn over(
        client: Client,
        options: &Options,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        name: &str,
        happened: mpsc::Receiver<Event>,
    ) -> Result<Self, NatsError> {
        let node = Arc::new(Node {
            local: LocalBus::default(),
            client,
            calls: Calls::new(format!("{}.inbox.{name}", options.prefix)),
            devices: Devices::new(),
            in_hand: InHand::new(),
            sealer: Sealer::new(options.key.clone(), Arc::clone(&clock), entropy),
            clock,
            prefix: options.prefix.clone(),
            link: watch::Sender::new(Link::Down),
        });
        let tasks = Arc::new(Tasks(node.begin(happened).await?));
        Ok(Self { node, _tasks: tasks })
    }
}

impl Node {
    /// Subscribes to what every node listens to, and begins to listen. A client that is not connected takes that too.
    async fn begin(
        self: &Arc<Self>,
        happened: mpsc::Receiver<Event>,
    ) -> Result<Vec<AbortHandle>, NatsError> {
        let unreachable = |error: SubscribeError| NatsError::Unreachable(error.to_string());
        let answers = self.client.subscribe(self.calls.subjects()).await.map_err(unreachable)?;
        let news = self.client.subscribe(self.to_all()).await.map_err(unreachable)?;
        let all = || Arc::clone(self);
        let (hand_out, hear, keep) = (all(), all(), all());
        let mut tasks = vec![
            tokio::spawn(async move { hand_out.calls.hand_out(answers, &hand_out.sealer).await })
                .abort_handle(),
            tokio::spawn(async move { hear.hear_all(news).await }).abort_handle(),
        ];
        let is_connected = self.client.try_server_info().is_some();
        gauge!("countersign_bus_connected").set(0);
        if is_connected {
            counter!("countersign_bus_connects_total").increment(1);
            if let Err(why) = self.came_up().await {
                tracing::warn!("{why}");
            }
        }
        tasks.push(tokio::spawn(keep.keep_link(happened, u64::from(is_connected))).abort_handle());
        Ok(tasks)
    }

    fn to_all(&self) -> String {
        format!("{}.all", self.prefix)
    }

    fn to_device(&self, factor: FactorSid) -> String {
        format!("{}.device.{}", self.prefix, hex(factor.as_bytes()))
    }

    fn is_up(&self) -> bool {
        *self.link.borrow() == Link::Up
    }

    /// What was said to every node.
    async fn hear_all(&self, mut news: Subscriber) {
        let mut seen = Seen::new(SEEN);
        while let Some(message) = news.next().await {
            let Some(opened) = self.sealer.open(&message, &mut seen) else { continue };
            let Some(said) = ToAll::decode(&opened.said) else { continue };
            counted("in", said.name());
            match said {
                ToAll::Settled(challenge) => self.local.wake(challenge),
                ToAll::Changed(changed) => self.local.tell(changed),
            }
        }
    }

    /// Says something that needs no answer, if anybody can hear it.
    async fn say(&self, subject: String, kind: &'static str, said: Bytes) {
        if self.is_up() {
            let place = Place::To { subject: &subject, reply: None };
            let (sealed, _) = self.sealer.seal(&said, place);
            self.send(subject, kind, sealed).await;
        }
    }

    /// Sends what is sealed, if there is a connection.
    async fn send(&self, subject: String, kind: &'static str, sealed: Bytes) {
        if !self.is_up() {
            return;
        }
        let late = self.clock.sleep(SAY_WITHIN);
        tokio::select! {
            said = self.client.publish(subject, sealed) => match said {
                Ok(()) => counted("out", kind),
                Err(error) => tracing::debug!(%error, kind, "not said on the bus"),
            },
            () = late => {}
        }
    }

    async fn say_to_all(&self, said: ToAll) {
        self.say(self.to_all(), said.name(), said.encode()).await;
    }

    /// Returns when no node has an offer in hand any more, and no answer to it will come: [`Unanswered::Nobody`] if none ever
    /// said that it had, else [`Unanswered::Late`], for then it may have been written.
    async fn until_lost(&self, factor: FactorSid, notification: NotificationSid) -> Unanswered {
        let mut as_lost = Unanswered::Nobody;
        let mut silent = 0;
        loop {
            self.clock.sleep(LOOK_AFTER).await;
            let question = ToHolder::HasInHand(notification);
            match self.ask(factor, &question, TOLD_WITHIN).await {
                Ok(Some(Answer::NotHere)) | Err(Unanswered::Nobody) => return Unanswered::Late,
                Ok(_) => {
                    as_lost = Unanswered::Late;
                    silent = 0;
                }
                Err(Unanswered::Late) => silent += 1,
                // without a connection nothing can be told
                Err(Unanswered::Unsent) => {}
            }
            if silent == SILENT_LOOKS {
                return as_lost;
            }
        }
    }

    /// Asks whoever holds a device.
    async fn ask(
        &self,
        factor: FactorSid,
        question: &ToHolder,
        within: Duration,
    ) -> Result<Option<Answer>, Unanswered> {
        let answer = if self.is_up() {
            counted("out", question.name());
            let subject = self.to_device(factor);
            let question = (subject, question.encode());
            self.calls.ask(&self.client, &*self.clock, &self.sealer, question, within).await
        } else {
            Err(Unanswered::Unsent)
        };
        if let Err(why) = answer {
            counter!("countersign_bus_unanswered_total", "kind" => question.name(), "why" => why.name())
                .increment(1);
        }
        answer.map(|answer| Answer::decode(&answer))
    }
}

#[async_trait]
impl Bus for NatsBus {
    async fn offer(&self, offer: Offer) -> Reception {
        let node = &self.node;
        let factor = offer.factor;
        if node.local.is_here(factor) {
            return node.local.offer(offer).await;
        }
        let until = node.clock.now() + OFFER_WITHIN;
        let notification = offer.notification;
        let question = ToHolder::Offer { offer, until };
        // In this order: whoever has no offer in hand any more has answered before it says so.
        let answer = tokio::select! {
            biased;
            answer = node.ask(factor, &question, OFFER_WITHIN) => answer,
            why = node.until_lost(factor, notification) => Err(why),
        };
        match answer {
            Ok(Some(Answer::Received(reception))) => reception,
            Err(Unanswered::Nobody | Unanswered::Unsent) => Reception::Nobody,
            // It may have been written.
            Ok(_) | Err(Unanswered::Late) => Reception::Unacknowledged,
        }
    }

    async fn is_attached(&self, factor: FactorSid) -> bool {
        self.node.local.is_here(factor)
            || matches!(
                self.node.ask(factor, &ToHolder::IsThere, TOLD_WITHIN).await,
                Ok(Some(Answer::Here))
            )
    }

    async fn attach(&self, factor: FactorSid, now: Monotonic) -> Option<Attachment> {
        let attachment = self.node.local.attach(factor, now).await?;
        device::listen(&self.node, factor, attachment).await
    }

    async fn dismiss(&self, factor: FactorSid) {
        self.node.local.dismiss_here(factor);
        let said = ToHolder::Dismiss;
        self.node.say(self.node.to_device(factor), said.name(), said.encode()).await;
    }

    async fn watch(&self, challenge: ChallengeSid) -> Watch {
        self.node.local.watch(challenge).await
    }

    async fn settle(&self, challenge: ChallengeSid) {
        self.node.local.wake(challenge);
        self.node.say_to_all(ToAll::Settled(challenge)).await;
    }

    async fn announce(&self, changed: Changed) {
        self.node.local.tell(changed);
        self.node.say_to_all(ToAll::Changed(changed)).await;
    }

    fn listen(&self, listener: Listener) {
        self.node.local.listen(listener);
    }

    fn held(&self) -> Vec<FactorSid> {
        self.node.local.held()
    }

    fn link(&self) -> Option<watch::Receiver<Link>> {
        Some(self.node.link.subscribe())
    }

    async fn flush(&self) {
        if self.node.is_up() {
            let late = self.node.clock.sleep(SAY_WITHIN);
            tokio::select! {
                _ = self.node.client.flush() => {}
                () = late => {}
            }
        }
    }
}

fn counted(direction: &'static str, kind: &'static str) {
    counter!("countersign_bus_messages_total", "direction" => direction, "kind" => kind)
        .increment(1);
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
