//! The subscription of one device, for as long as a socket of this process holds it.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subject, Subscriber};
use countersign_domain::sid::{FactorSid, NotificationSid};
use futures_util::StreamExt as _;
use tokio::sync::watch;

use super::seal::{Nonce, Place, Seen};
use super::wire::{Answer, ToHolder};
use super::{ASK_WITHIN, Node, counted};
use crate::local::{Sharded, Takeover};
use crate::seam::{Attachment, Bus as _, Link, Reception};

/// For so long after its last socket has gone a device is still answered for. A question that crosses the end of a
/// subscription gets no answer, and most questions that could come when a device has just gone, or is about to come back.
const LINGER: Duration = Duration::from_secs(10);
/// And for so long once another node has it, which could be found there before it was taken from here.
const LINGER_BESIDE: Duration = ASK_WITHIN;

/// Messages to one device that are remembered, so that none is acted on twice.
const SEEN: usize = 1_024;

/// The devices that are held here, each with one subscription, however many sockets follow each other.
pub(super) type Devices = Sharded<FactorSid, watch::Sender<Held>>;

/// Offers of other nodes that wait for what becomes of them here, and how many of each.
pub(super) type InHand = Sharded<NotificationSid, usize>;

/// Counts an offer.
struct Carry {
    node: Arc<Node>,
    notification: NotificationSid,
}

impl Carry {
    fn begin(node: &Arc<Node>, notification: NotificationSid) -> Self {
        *node.in_hand.of(&notification).entry(notification).or_default() += 1;
        Self { node: Arc::clone(node), notification }
    }
}

impl Drop for Carry {
    fn drop(&mut self) {
        if let Entry::Occupied(mut carried) =
            self.node.in_hand.of(&self.notification).entry(self.notification)
        {
            *carried.get_mut() -= 1;
            if *carried.get() == 0 {
                carried.remove();
            }
        }
    }
}

/// How a device is held.
#[derive(Debug)]
pub(super) struct Held {
    /// By so many sockets: the newest, and those that it replaced and that are on their way out.
    sockets: usize,
    is_subscribed: bool,
    /// The node that took it, and answers for it; empty where that is not known. We are silent then to all others: of two
    /// answers the first one counts, and ours would be that nobody is here.
    taken_by: Option<String>,
}

/// Counts a socket.
struct Hold {
    node: Arc<Node>,
    factor: FactorSid,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(held) = self.node.devices.of(&self.factor).get(&self.factor) {
            held.send_modify(|held| held.sockets -= 1);
        }
    }
}

/// Makes a device findable from other nodes. `None` if one of them holds it and has for less than a second.
pub(super) async fn listen(
    node: &Arc<Node>,
    factor: FactorSid,
    attachment: Attachment,
) -> Option<Attachment> {
    let (hold, mut held) = hold(node, factor);
    let mut link = node.link.subscribe();
    let taken = tokio::select! {
        // Without a word from others the device stays: it is held here, whatever they know.
        taken = take(node, factor, &mut held) => taken,
        // The subscription follows when there is a connection again.
        _ = link.wait_for(|link| *link == Link::Down) => Takeover::Free,
    };
    if taken == Takeover::TooSoon {
        drop(attachment);
        node.note_taker(factor, None);
        return None;
    }
    Some(Attachment { _hold: Box::new((attachment._hold, hold)), ..attachment })
}

fn hold(node: &Arc<Node>, factor: FactorSid) -> (Hold, watch::Receiver<Held>) {
    let held = match node.devices.of(&factor).entry(factor) {
        Entry::Occupied(held) => {
            held.get().send_modify(|held| {
                held.sockets += 1;
                held.taken_by = None;
            });
            held.get().subscribe()
        }
        Entry::Vacant(free) => {
            let first = Held { sockets: 1, is_subscribed: false, taken_by: None };
            let (tell, held) = watch::channel(first);
            free.insert(tell);
            tokio::spawn(serve(Arc::clone(node), factor, held.clone()));
            held
        }
    };
    (Hold { node: Arc::clone(node), factor }, held)
}

/// Has others let go of a device, once it can be found here.
async fn take(node: &Node, factor: FactorSid, held: &mut watch::Receiver<Held>) -> Takeover {
    if held.wait_for(|held| held.is_subscribed).await.is_err() {
        return Takeover::Free;
    }
    // Answered over the connection that the subscription went over before: with the answer, that is in force.
    match node.ask(factor, &ToHolder::GiveUp, ASK_WITHIN).await {
        Ok(Some(Answer::TooSoon)) => Takeover::TooSoon,
        _ => Takeover::Free,
    }
}

/// Answers those who look for the device, as long as it is held.
async fn serve(node: Arc<Node>, factor: FactorSid, mut held: watch::Receiver<Held>) {
    let subscribed = loop {
        tokio::select! {
            subscribed = node.client.subscribe(node.to_device(factor)) => break subscribed,
            // While there is no connection that can take long.
            () = left(&mut held) => if node.let_go(factor, || ()) { return },
        }
    };
    let messages = match subscribed {
        Ok(messages) => messages,
        Err(error) => {
            tracing::warn!(%error, %factor, "a device cannot be found from other nodes");
            node.devices.of(&factor).remove(&factor);
            return;
        }
    };
    if let Some(held) = node.devices.of(&factor).get(&factor) {
        held.send_modify(|held| held.is_subscribed = true);
    }
    let mut link = node.link.subscribe();
    let mut answering = Some(Box::pin(answer_all(&node, factor, messages)));
    while let Some(answers) = &mut answering {
        let lingered = async {
            left(&mut held).await;
            let beside = async {
                let _ = held.wait_for(|held| held.taken_by.is_some()).await;
                node.clock.sleep(LINGER_BESIDE).await;
            };
            tokio::select! {
                () = node.clock.sleep(LINGER) => {}
                () = beside => {}
                _ = link.wait_for(|link| *link == Link::Down) => {}
            }
        };
        tokio::select! {
            () = answers => return,
            () = lingered => {}
        }
        // Unsubscribed before anybody can subscribe anew.
        node.let_go(factor, || answering = None);
    }
}

/// Waits until no socket holds the device.
async fn left(held: &mut watch::Receiver<Held>) {
    // Fails only without an entry, and then nobody does.
    let _ = held.wait_for(|held| held.sockets == 0).await;
}

impl Node {
    /// Forgets a device and does what belongs to it, unless a socket holds it by now; whether it did.
    fn let_go(&self, factor: FactorSid, then: impl FnOnce()) -> bool {
        let mut devices = self.devices.of(&factor);
        let is_left = devices.get(&factor).is_none_or(|held| held.borrow().sockets == 0);
        if is_left {
            devices.remove(&factor);
            then();
        }
        is_left
    }

    /// Notes which node took the device, unless a socket here holds it by now.
    fn note_taker(&self, factor: FactorSid, taker: Option<&str>) {
        let devices = self.devices.of(&factor);
        if let Some(held) = devices.get(&factor)
            && !self.local.is_here(factor)
        {
            held.send_modify(|held| held.taken_by = Some(taker.unwrap_or_default().to_owned()));
        }
    }

    /// Whether another node than the one that asks answers for the device.
    fn is_silent(&self, factor: FactorSid, asked: &Message) -> bool {
        let devices = self.devices.of(&factor);
        devices.get(&factor).is_some_and(|held| {
            let held = held.borrow();
            held.taken_by.is_some() && held.taken_by.as_deref() != asker(asked)
        })
    }
}

/// What the inboxes of the node that asks begin with.
fn asker(asked: &Message) -> Option<&str> {
    asked.reply.as_ref()?.rsplit_once('.').map(|(node, _)| node)
}

async fn answer_all(node: &Arc<Node>, factor: FactorSid, mut messages: Subscriber) {
    let mut seen = Seen::new(SEEN);
    while let Some(message) = messages.next().await {
        let Some(opened) = node.sealer.open(&message, &mut seen) else { continue };
        let Some(said) = ToHolder::decode(&opened.said) else { continue };
        counted("in", said.name());
        let is_silent = node.is_silent(factor, &message);
        let asked = Asked { reply: message.reply.clone(), nonce: opened.nonce };
        match said {
            ToHolder::HasInHand(notification)
                if node.in_hand.of(&notification).contains_key(&notification) =>
            {
                answer(node, asked, Answer::Here).await;
            }
            ToHolder::Offer { .. } | ToHolder::IsThere | ToHolder::HasInHand(_) if is_silent => {}
            ToHolder::Offer { offer, until }
                if node.clock.now() < until && offer.factor == factor =>
            {
                // Beside this: a device may take its time. How many is bounded by what its socket takes.
                let carry = Carry::begin(node, offer.notification);
                tokio::spawn(async move {
                    let reception = carry.node.local.offer(offer).await;
                    answer(&carry.node, asked, Answer::Received(reception)).await;
                });
            }
            ToHolder::Offer { .. } => {
                answer(node, asked, Answer::Received(Reception::Nobody)).await;
            }
            ToHolder::IsThere => {
                let is_here = node.local.is_here(factor);
                answer(node, asked, if is_here { Answer::Here } else { Answer::NotHere }).await;
            }
            ToHolder::HasInHand(_) => answer(node, asked, Answer::NotHere).await,
            ToHolder::GiveUp => {
                let said = match node.local.give_up(factor, node.clock.monotonic()) {
                    Takeover::Free => Answer::NotHere,
                    Takeover::TooSoon => Answer::TooSoon,
                };
                if said == Answer::NotHere {
                    node.note_taker(factor, asker(&message));
                }
                if !is_silent {
                    answer(node, asked, said).await;
                }
            }
            ToHolder::Held(age) => {
                let now = node.clock.monotonic();
                if let Some(newer) = node.local.give_up_older(factor, now - age) {
                    // It could not be told before: it has only just come back.
                    let said = ToHolder::Held(now.since(newer));
                    node.say(node.to_device(factor), said.name(), said.encode()).await;
                }
                node.note_taker(factor, None);
            }
            ToHolder::Dismiss => node.local.dismiss_here(factor),
        }
    }
}

/// A question that was opened.
struct Asked {
    /// Where the answer goes.
    reply: Option<Subject>,
    /// What the answer is bound to.
    nonce: Nonce,
}

async fn answer(node: &Node, asked: Asked, answer: Answer) {
    if let Some(inbox) = asked.reply {
        let (sealed, _) = node.sealer.seal(&answer.encode(), Place::AnswerTo(&asked.nonce));
        node.send(inbox.into_string(), "answer", sealed).await;
    }
}
