//! The subscription of one device, for as long as a socket of this node holds it.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::sid::FactorSid;
use tokio::sync::watch;

use super::holds::HoldState;
use super::node::{Node, TAKEOVER_TIMEOUT};
use super::responder;
use super::wire::{HolderReply, HolderRequest};
use crate::local::Takeover;
use crate::seam::{Attachment, Link};

/// A device keeps its subscription for this long after its last socket has ended. A request that crosses the end of a
/// subscription gets no reply, and most requests come when a device has just gone or is about to come back.
const LINGER: Duration = Duration::from_secs(10);
/// The same once another node holds the device. It was findable there before it was taken over.
const LINGER_AFTER_TAKEOVER: Duration = TAKEOVER_TIMEOUT;

/// Counts a socket of a device until it is dropped.
struct SocketHold {
    node: Arc<Node>,
    factor: FactorSid,
}

impl Drop for SocketHold {
    fn drop(&mut self) {
        self.node.devices.modify(self.factor, |held| held.sockets -= 1);
    }
}

/// Makes an attached device findable from other nodes. `None` if one of them holds it for less than a second.
pub(super) async fn announce(
    node: &Arc<Node>,
    factor: FactorSid,
    attachment: Attachment,
) -> Option<Attachment> {
    let mut held = node.devices.add_socket(factor, |held| {
        tokio::spawn(serve(Arc::clone(node), factor, held));
    });
    let hold = SocketHold { node: Arc::clone(node), factor };
    let mut link = node.link.subscribe();
    let takeover = tokio::select! {
        // Without a reply from others the device stays attached here.
        takeover = take_over(node, factor, &mut held) => takeover,
        // The subscription follows once the link is up again.
        _ = link.wait_for(|link| *link == Link::Down) => Takeover::Free,
    };
    if takeover == Takeover::TooSoon {
        drop(attachment);
        responder::note_taker(node, factor, None);
        return None;
    }
    Some(Attachment { _hold: Box::new((attachment._hold, hold)), ..attachment })
}

/// Once the device can be found here, has other nodes give it up.
async fn take_over(
    node: &Node,
    factor: FactorSid,
    held: &mut watch::Receiver<HoldState>,
) -> Takeover {
    if held.wait_for(|held| held.is_subscribed).await.is_err() {
        return Takeover::Free;
    }
    // The request follows the subscription on the same connection: a reply means that the subscription is in force.
    match node.ask(factor, &HolderRequest::GiveUp, TAKEOVER_TIMEOUT).await {
        Ok(Some(HolderReply::TooSoon)) => Takeover::TooSoon,
        _ => Takeover::Free,
    }
}

/// Subscribes to a device's subject and replies to requests for as long as the device is held.
async fn serve(node: Arc<Node>, factor: FactorSid, mut held: watch::Receiver<HoldState>) {
    let subscribed = loop {
        tokio::select! {
            subscribed = node.client.subscribe(node.device_subject(factor)) => break subscribed,
            // Without a connection, subscribing can take long.
            () = until_unheld(&mut held) => if node.devices.remove_unheld(factor, || ()) { return },
        }
    };
    let messages = match subscribed {
        Ok(messages) => messages,
        Err(error) => {
            tracing::warn!(%error, %factor, "other nodes cannot find a device of this node");
            node.devices.remove(factor);
            return;
        }
    };
    node.devices.modify(factor, |held| held.is_subscribed = true);
    let mut link = node.link.subscribe();
    let mut replying = Some(Box::pin(responder::reply_to_all(&node, factor, messages)));
    while let Some(replies) = &mut replying {
        tokio::select! {
            () = replies => return,
            () = until_lingered(&node, &mut held, &mut link) => {}
        }
        // Unsubscribes before another socket can subscribe again.
        node.devices.remove_unheld(factor, || replying = None);
    }
}

/// Waits until no socket holds the device and the subscription has lingered long enough.
async fn until_lingered(
    node: &Node,
    held: &mut watch::Receiver<HoldState>,
    link: &mut watch::Receiver<Link>,
) {
    until_unheld(held).await;
    let taken_over = async {
        let _ = held.wait_for(|held| held.taken_by.is_some()).await;
        node.clock.sleep(LINGER_AFTER_TAKEOVER).await;
    };
    tokio::select! {
        () = node.clock.sleep(LINGER) => {}
        () = taken_over => {}
        _ = link.wait_for(|link| *link == Link::Down) => {}
    }
}

/// Waits until no socket holds the device.
async fn until_unheld(held: &mut watch::Receiver<HoldState>) {
    // Fails only if the device was removed, and then no socket holds it.
    let _ = held.wait_for(|held| held.sockets == 0).await;
}
