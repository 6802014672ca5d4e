//! Replies to the requests of other nodes for one device.

use std::sync::Arc;

use async_nats::{Subject, Subscriber};
use countersign_domain::sid::{FactorSid, NotificationSid};
use futures_util::StreamExt as _;

use super::node::{Node, count_message};
use super::seal::{Binding, Nonce, ReplayGuard};
use super::wire::{HolderReply, HolderRequest};
use crate::local::Takeover;
use crate::seam::{Bus as _, OfferOutcome};

/// Messages to one device that are remembered, so that a repeated one has no effect.
const SEEN_MESSAGES: usize = 1_024;

/// Where the reply to a request goes.
#[derive(Clone)]
struct ReplyTo {
    inbox: Option<Subject>,
    /// The nonce of the request, which the reply is bound to.
    nonce: Nonce,
}

impl ReplyTo {
    /// The node that asks: its inboxes share everything but their last part.
    fn asker(&self) -> Option<&str> {
        self.inbox.as_ref()?.rsplit_once('.').map(|(node, _)| node)
    }
}

/// Counts an offer as in hand until it is dropped.
struct OfferInHand {
    node: Arc<Node>,
    notification: NotificationSid,
}

impl OfferInHand {
    fn new(node: &Arc<Node>, notification: NotificationSid) -> Self {
        node.offers_in_hand.add(notification);
        Self { node: Arc::clone(node), notification }
    }
}

impl Drop for OfferInHand {
    fn drop(&mut self) {
        self.node.offers_in_hand.remove(self.notification);
    }
}

/// Replies to the requests for a device until the subscription ends.
pub(super) async fn reply_to_all(node: &Arc<Node>, factor: FactorSid, mut messages: Subscriber) {
    let mut seen = ReplayGuard::new(SEEN_MESSAGES);
    while let Some(message) = messages.next().await {
        let Some(opened) = node.sealer.open(&message, &mut seen) else { continue };
        let Some(request) = HolderRequest::decode(&opened.plaintext) else { continue };
        count_message("in", request.name());
        // Judged before the request is acted on: giving up the device changes it.
        let reply_to = ReplyTo { inbox: message.reply, nonce: opened.nonce };
        let is_silent = node.devices.is_taken_by_other(factor, reply_to.asker());
        if let Some(reply) = act(node, factor, request, &reply_to, is_silent).await {
            send_reply(node, reply_to, reply).await;
        }
    }
}

/// Acts on a request; returns the reply, if this node replies at once.
async fn act(
    node: &Arc<Node>,
    factor: FactorSid,
    request: HolderRequest,
    reply_to: &ReplyTo,
    is_silent: bool,
) -> Option<HolderReply> {
    match request {
        HolderRequest::HasInHand(notification) if node.offers_in_hand.contains(notification) => {
            Some(HolderReply::Here)
        }
        HolderRequest::Offer { .. } | HolderRequest::IsPresent | HolderRequest::HasInHand(_)
            if is_silent =>
        {
            None
        }
        HolderRequest::Offer { offer, until }
            if node.clock.now() < until && offer.factor == factor =>
        {
            // In a task: a device may take its time. The socket's queue bounds their number.
            let in_hand = OfferInHand::new(node, offer.notification);
            let reply_to = reply_to.clone();
            tokio::spawn(async move {
                let outcome = in_hand.node.local.offer(offer).await;
                send_reply(&in_hand.node, reply_to, HolderReply::Offered(outcome)).await;
            });
            None
        }
        HolderRequest::Offer { .. } => Some(HolderReply::Offered(OfferOutcome::NotConnected)),
        HolderRequest::IsPresent if node.local.is_here(factor) => Some(HolderReply::Here),
        HolderRequest::IsPresent | HolderRequest::HasInHand(_) => Some(HolderReply::NotHere),
        HolderRequest::GiveUp => {
            let reply = match node.local.give_up(factor, node.clock.monotonic()) {
                Takeover::Free => HolderReply::NotHere,
                Takeover::TooSoon => HolderReply::TooSoon,
            };
            if reply == HolderReply::NotHere {
                note_taker(node, factor, reply_to.asker());
            }
            (!is_silent).then_some(reply)
        }
        HolderRequest::Held(age) => {
            let now = node.clock.monotonic();
            if let Some(newer) = node.local.give_up_older(factor, now - age) {
                // The other node has only just reconnected and does not know of the newer socket here.
                let request = HolderRequest::Held(now.since(newer));
                node.say(node.device_subject(factor), request.name(), request.encode()).await;
            }
            note_taker(node, factor, None);
            None
        }
        HolderRequest::Dismiss => {
            node.local.dismiss_here(factor);
            None
        }
        HolderRequest::AnsweredElsewhere(challenge) => {
            node.local.tell_device(factor, challenge);
            None
        }
    }
}

/// Notes which node took the device over, unless a socket here holds it.
pub(super) fn note_taker(node: &Node, factor: FactorSid, taker: Option<&str>) {
    node.devices.modify(factor, |held| {
        if !node.local.is_here(factor) {
            held.taken_by = Some(taker.unwrap_or_default().to_owned());
        }
    });
}

async fn send_reply(node: &Node, to: ReplyTo, reply: HolderReply) {
    if let Some(inbox) = to.inbox {
        let (sealed, _) = node.sealer.seal(&reply.encode(), Binding::ReplyTo(&to.nonce));
        node.send(inbox.into_string(), "answer", sealed).await;
    }
}
