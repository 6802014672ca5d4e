//! The state of one node on the bus, and how it sends and receives messages.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Subscriber};
use bytes::Bytes;
use countersign_domain::sid::{FactorSid, NotificationSid};
use countersign_domain::world::{Clock, Entropy};
use data_encoding::HEXLOWER;
use futures_util::StreamExt as _;
use metrics::counter;
use tokio::sync::watch;

use super::connection::NatsOptions;
use super::holds::{Devices, OffersInHand};
use super::requests::{RequestError, Requests};
use super::seal::{Binding, ReplayGuard, Sealer};
use super::wire::{Broadcast, HolderReply, HolderRequest};
use crate::local::LocalBus;
use crate::seam::Link;

/// An offer without a reply for this long may have been lost, and its holder is asked after it again and again. Most offers
/// are replied to within a fraction of that.
const LOST_CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// How long a node may take to say whether it holds a device, or has an offer in hand. It replies from memory.
///
/// NATS says at once that a subject has no subscriber, unless a stranger subscribes to all subjects. Nothing depends on that:
/// a device for which no node sends a sealed reply within this time is held by none.
pub(super) const PRESENCE_TIMEOUT: Duration = Duration::from_secs(1);
/// Unanswered checks in a row after which an offer counts as lost.
const LOST_AFTER_CHECKS: u32 = 2;
/// How long a node may take to give up a device. It replies from memory.
pub(super) const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a message may take to leave this process.
pub(super) const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// Broadcasts that are remembered, so that a repeated one has no effect.
const SEEN_BROADCASTS: usize = 65_536;

/// One node of the bus.
pub(super) struct Node {
    pub(super) local: LocalBus,
    pub(super) client: Client,
    pub(super) requests: Requests,
    pub(super) devices: Devices,
    pub(super) offers_in_hand: OffersInHand,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sealer: Sealer,
    pub(super) prefix: String,
    pub(super) link: watch::Sender<Link>,
}

impl Node {
    /// A node that is not connected yet. `name` is random, one for each process.
    pub(super) fn new(
        client: Client,
        options: &NatsOptions,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        name: &str,
    ) -> Self {
        Self {
            local: LocalBus::default(),
            client,
            requests: Requests::new(format!("{}.inbox.{name}", options.prefix)),
            devices: Devices::new(),
            offers_in_hand: OffersInHand::new(),
            sealer: Sealer::new(options.key.clone(), Arc::clone(&clock), entropy),
            clock,
            prefix: options.prefix.clone(),
            link: watch::Sender::new(Link::Down),
        }
    }

    /// The subject that every node subscribes to.
    pub(super) fn broadcast_subject(&self) -> String {
        format!("{}.all", self.prefix)
    }

    /// The subject that the node of a device subscribes to.
    pub(super) fn device_subject(&self, factor: FactorSid) -> String {
        format!("{}.device.{}", self.prefix, HEXLOWER.encode(factor.as_bytes()))
    }

    /// Whether the other nodes can be reached.
    pub(super) fn is_up(&self) -> bool {
        *self.link.borrow() == Link::Up
    }

    /// Acts on broadcasts until the subscription ends.
    pub(super) async fn receive_broadcasts(&self, mut broadcasts: Subscriber) {
        let mut seen = ReplayGuard::new(SEEN_BROADCASTS);
        while let Some(message) = broadcasts.next().await {
            let Some(opened) = self.sealer.open(&message, &mut seen) else { continue };
            let Some(broadcast) = Broadcast::decode(&opened.plaintext) else { continue };
            count_message("in", broadcast.name());
            match broadcast {
                Broadcast::ChallengeChanged(challenge) => self.local.wake(challenge),
                Broadcast::Changed(changed) => self.local.tell(changed),
            }
        }
    }

    /// Sends a message that needs no reply, if the link is up.
    pub(super) async fn say(&self, subject: String, kind: &'static str, plaintext: Bytes) {
        if self.is_up() {
            let binding = Binding::Message { subject: &subject, reply: None };
            let (sealed, _) = self.sealer.seal(&plaintext, binding);
            self.send(subject, kind, sealed).await;
        }
    }

    /// Sends a sealed message, if the link is up.
    pub(super) async fn send(&self, subject: String, kind: &'static str, sealed: Bytes) {
        if !self.is_up() {
            return;
        }
        let timeout = self.clock.sleep(SEND_TIMEOUT);
        tokio::select! {
            sent = self.client.publish(subject, sealed) => match sent {
                Ok(()) => count_message("out", kind),
                Err(error) => tracing::debug!(%error, kind, "a message was not sent on the bus"),
            },
            () = timeout => {}
        }
    }

    /// Sends a message to every node.
    pub(super) async fn broadcast(&self, broadcast: Broadcast) {
        self.say(self.broadcast_subject(), broadcast.name(), broadcast.encode()).await;
    }

    /// Resolves when no node has an offer in hand any more and no reply to it will come: [`RequestError::NoResponders`] if none
    /// ever said that it had, else [`RequestError::Timeout`], since it may have been written.
    pub(super) async fn until_lost(
        &self,
        factor: FactorSid,
        notification: NotificationSid,
    ) -> RequestError {
        let mut if_lost = RequestError::NoResponders;
        let mut unanswered = 0;
        loop {
            self.clock.sleep(LOST_CHECK_INTERVAL).await;
            let request = HolderRequest::HasInHand(notification);
            match self.ask(factor, &request, PRESENCE_TIMEOUT).await {
                Ok(Some(HolderReply::NotHere)) | Err(RequestError::NoResponders) => {
                    return RequestError::Timeout;
                }
                Ok(_) => {
                    if_lost = RequestError::Timeout;
                    unanswered = 0;
                }
                Err(RequestError::Timeout) => unanswered += 1,
                // Without a connection this check says nothing.
                Err(RequestError::NotSent) => {}
            }
            if unanswered == LOST_AFTER_CHECKS {
                return if_lost;
            }
        }
    }

    /// Asks the node that holds a device. `None`: its reply is of an unknown kind.
    pub(super) async fn ask(
        &self,
        factor: FactorSid,
        request: &HolderRequest,
        timeout: Duration,
    ) -> Result<Option<HolderReply>, RequestError> {
        let reply = if self.is_up() {
            count_message("out", request.name());
            let message = (self.device_subject(factor), request.encode());
            self.requests.ask(&self.client, &*self.clock, &self.sealer, message, timeout).await
        } else {
            Err(RequestError::NotSent)
        };
        if let Err(why) = reply {
            counter!("countersign_bus_unanswered_total", "kind" => request.name(), "why" => why.name())
                .increment(1);
        }
        reply.map(|reply| HolderReply::decode(&reply))
    }
}

/// Counts a message. `direction`: `in` or `out`.
pub(super) fn count_message(direction: &'static str, kind: &'static str) {
    counter!("countersign_bus_messages_total", "direction" => direction, "kind" => kind)
        .increment(1);
}
