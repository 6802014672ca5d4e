//! The bus of one node.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Event, SubscribeError};
use async_trait::async_trait;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use countersign_domain::world::{Clock, Entropy, random};
use data_encoding::HEXLOWER;
use metrics::{counter, gauge};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::connection::{self, NatsError, NatsOptions};
use super::device;
use super::node::{Node, PRESENCE_TIMEOUT, SEND_TIMEOUT};
use super::requests::RequestError;
use super::wire::{Broadcast, HolderReply, HolderRequest};
use crate::seam::{Attachment, Bus, Changed, Link, Listener, Offer, OfferOutcome, Watch};

/// How long an offer may take. A device has ten seconds to acknowledge; then its node replies.
const OFFER_TIMEOUT: Duration = Duration::from_secs(12);
/// Events of the connection that may be queued.
const EVENTS: usize = 64;

/// The bus of one process among several. Clones are the same bus; dropping the last one ends its tasks.
#[derive(Clone)]
pub struct NatsBus {
    node: Arc<Node>,
    _tasks: Arc<Tasks>,
}

/// Tasks that end when this is dropped.
struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl NatsBus {
    /// Connects. If no server can be reached, the client goes on trying in the background and the bus begins with
    /// [`Link::Down`].
    ///
    /// # Errors
    /// An error that a retry cannot cure: see [`NatsError`].
    pub async fn connect(
        options: &NatsOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, NatsError> {
        let name = HEXLOWER.encode(&random::<16>(&*entropy));
        let (events, happened) = mpsc::channel(EVENTS);
        let client = match connection::connect(options, &name, &entropy, &events).await {
            Ok(client) => client,
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "the bus is not connected yet; prompts for devices at other nodes are slow until it is");
                connection::connect_later(options, &name, &entropy, &events).await?
            }
            Err(error) => return Err(error),
        };
        Self::over(client, options, (clock, entropy), &name, happened).await
    }

    /// Tries once whether NATS can be used. Returns the version and the address of the server.
    ///
    /// # Errors
    /// See [`NatsError`].
    pub async fn probe(
        options: &NatsOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<String, NatsError> {
        let name = HEXLOWER.encode(&random::<16>(&*entropy));
        let (events, happened) = mpsc::channel(EVENTS);
        let client = connection::connect(options, &name, &entropy, &events).await?;
        let bus = Self::over(client, options, (clock, entropy), &name, happened).await?;
        if bus.node.is_up() {
            Ok(connection::server(&bus.node.client))
        } else {
            Err(NatsError::Forbidden)
        }
    }

    /// A bus over a client, with its subscriptions and tasks. The client need not be connected.
    async fn over(
        client: Client,
        options: &NatsOptions,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        name: &str,
        happened: mpsc::Receiver<Event>,
    ) -> Result<Self, NatsError> {
        let node = Arc::new(Node::new(client, options, (clock, entropy), name));
        let unreachable = |error: SubscribeError| NatsError::Unreachable(error.to_string());
        let replies = node.client.subscribe(node.requests.subjects());
        let replies = replies.await.map_err(unreachable)?;
        let broadcasts = node.client.subscribe(node.broadcast_subject());
        let broadcasts = broadcasts.await.map_err(unreachable)?;
        let (receiver, listener, keeper) =
            (Arc::clone(&node), Arc::clone(&node), Arc::clone(&node));
        let mut tasks = vec![
            tokio::spawn(async move {
                receiver.requests.receive_replies(replies, &receiver.sealer).await;
            })
            .abort_handle(),
            tokio::spawn(async move { listener.receive_broadcasts(broadcasts).await })
                .abort_handle(),
        ];
        let is_connected = node.client.try_server_info().is_some();
        gauge!("countersign_bus_connected").set(0);
        if is_connected {
            counter!("countersign_bus_connects_total").increment(1);
            if let Err(why) = node.came_up().await {
                tracing::warn!("{why}");
            }
        }
        let keep_link = keeper.keep_link(happened, u64::from(is_connected));
        tasks.push(tokio::spawn(keep_link).abort_handle());
        Ok(Self { node, _tasks: Arc::new(Tasks(tasks)) })
    }
}

#[async_trait]
impl Bus for NatsBus {
    async fn offer(&self, offer: Offer) -> OfferOutcome {
        let node = &self.node;
        let factor = offer.factor;
        if node.local.is_here(factor) {
            return node.local.offer(offer).await;
        }
        let until = node.clock.now() + OFFER_TIMEOUT;
        let notification = offer.notification;
        let request = HolderRequest::Offer { offer, until };
        // Biased: a node that has no offer in hand any more has replied before it says so.
        let reply = tokio::select! {
            biased;
            reply = node.ask(factor, &request, OFFER_TIMEOUT) => reply,
            why = node.until_lost(factor, notification) => Err(why),
        };
        match reply {
            Ok(Some(HolderReply::Offered(outcome))) => outcome,
            Err(RequestError::NoResponders | RequestError::NotSent) => OfferOutcome::NotConnected,
            // It may have been written.
            Ok(_) | Err(RequestError::Timeout) => OfferOutcome::Unacknowledged,
        }
    }

    async fn is_attached(&self, factor: FactorSid) -> bool {
        self.node.local.is_here(factor)
            || matches!(
                self.node.ask(factor, &HolderRequest::IsPresent, PRESENCE_TIMEOUT).await,
                Ok(Some(HolderReply::Here))
            )
    }

    async fn attach(&self, factor: FactorSid, now: Monotonic) -> Option<Attachment> {
        let attachment = self.node.local.attach(factor, now).await?;
        device::announce(&self.node, factor, attachment).await
    }

    async fn dismiss(&self, factor: FactorSid) {
        self.node.local.dismiss_here(factor);
        let request = HolderRequest::Dismiss;
        let subject = self.node.device_subject(factor);
        self.node.say(subject, request.name(), request.encode()).await;
    }

    async fn answered_elsewhere(&self, factor: FactorSid, challenge: ChallengeSid) {
        if self.node.local.is_here(factor) {
            return self.node.local.tell_device(factor, challenge);
        }
        let request = HolderRequest::AnsweredElsewhere(challenge);
        let subject = self.node.device_subject(factor);
        self.node.say(subject, request.name(), request.encode()).await;
    }

    async fn watch(&self, challenge: ChallengeSid) -> Watch {
        self.node.local.watch(challenge).await
    }

    async fn challenge_changed(&self, challenge: ChallengeSid) {
        self.node.local.wake(challenge);
        self.node.broadcast(Broadcast::ChallengeChanged(challenge)).await;
    }

    async fn announce(&self, changed: Changed) {
        self.node.local.tell(changed);
        self.node.broadcast(Broadcast::Changed(changed)).await;
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
            let timeout = self.node.clock.sleep(SEND_TIMEOUT);
            tokio::select! {
                _ = self.node.client.flush() => {}
                () = timeout => {}
            }
        }
    }
}
