//! The contract of the bus between the parts of this server and between its nodes.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::prompt_manner::PromptManner;
use countersign_domain::sid::{
    AccountSid, ApiKeySid, ChallengeSid, CredentialSid, EntitySid, FactorSid, IntegrationSid,
    NotificationSid, ServiceSid,
};
use countersign_domain::text::Message;
use countersign_domain::time::Instant;
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// A prompt for a device that holds a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The notification; the device acknowledges by it.
    pub notification: NotificationSid,
    /// The challenge.
    pub challenge: ChallengeSid,
    /// The device.
    pub factor: FactorSid,
    /// The text of the prompt.
    pub message: Message,
    /// How the device is to show it.
    pub manner: PromptManner,
    /// The instant after which it must not be shown.
    pub expires_at: Instant,
}

/// The outcome of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferOutcome {
    /// The device acknowledged it.
    Acknowledged,
    /// It was written, or may have been, and then the time ran out or the socket ended.
    Unacknowledged,
    /// No socket holds the device, or the socket ended before the offer was written, or its node cannot be reached.
    NotConnected,
    /// The device has too many unacknowledged offers: one, if it left the last one unacknowledged.
    Busy,
}

/// An offer on its way to a socket. Dropping it reads as [`OfferOutcome::NotConnected`].
#[derive(Debug)]
pub struct PendingOffer {
    /// The offer.
    pub offer: Offer,
    /// Receives the outcome.
    pub reply: oneshot::Sender<OfferOutcome>,
}

/// A message for a socket to write to its device.
#[derive(Debug)]
pub enum ToDevice {
    /// A prompt, which the device acknowledges.
    Offer(PendingOffer),
    /// A challenge that another device has answered: its prompt is over.
    AnsweredElsewhere {
        /// The device.
        factor: FactorSid,
        /// Its challenge.
        challenge: ChallengeSid,
    },
}

/// Why a socket was detached from its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detached {
    /// A newer socket of the same device replaced it.
    Replaced,
    /// The factor is deleted, or no longer reached by a stream.
    Dismissed,
}

/// A socket's hold on its device: while it lives, offers reach the socket. Dropping it detaches the socket.
pub struct Attachment {
    /// The messages to write. Bounded; an offer above the bound is [`OfferOutcome::Busy`].
    pub messages: mpsc::Receiver<Box<ToDevice>>,
    /// Resolves when the bus detaches the socket.
    pub detached: oneshot::Receiver<Detached>,
    /// Detaches the socket when dropped.
    pub(crate) _hold: Box<dyn Send + Sync>,
}

/// Something that caches hold or that requests wait for has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Changed {
    /// An account or its tokens.
    Account(AccountSid),
    /// An API key.
    ApiKey(ApiKeySid),
    /// A service.
    Service(ServiceSid),
    /// A push credential.
    Credential(CredentialSid),
    /// An integration.
    Integration(IntegrationSid),
    /// An entity, which was deleted.
    Entity(EntitySid),
    /// A factor, which was deleted.
    Factor(FactorSid),
}

/// Is called with each change, on the task that announces it, so it must return quickly.
pub type Listener = Box<dyn Fn(Changed) + Send + Sync>;

/// Waits until a challenge may have left `pending`.
pub struct Watch {
    pub(crate) notify: Arc<Notify>,
    /// Removes the watch when the last one is dropped. It follows `notify`, whose references it counts.
    pub(crate) _watcher: Box<dyn Send + Sync>,
}

impl Watch {
    /// Resolves when the challenge may have changed and should be read again. Call it before reading and await it
    /// afterwards, so that a change in between is not missed.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.notify.notified()
    }
}

/// The state of this process's connection to the other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Connected: messages reach the other nodes.
    Up,
    /// Not connected, and reconnecting. Devices that this process holds are still found here.
    Down,
}

/// The bus.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Offers a prompt to the socket of its device, on whichever node that is, and waits for the outcome.
    async fn offer(&self, offer: Offer) -> OfferOutcome;
    /// Whether a socket is known to hold the device now.
    async fn is_attached(&self, factor: FactorSid) -> bool;
    /// Attaches a socket to its device, from `now` on by this process's monotonic clock. Once this returns, every node finds
    /// the device. An older socket, on whichever node, ends with [`Detached::Replaced`]; returns `None` if that one is
    /// attached for less than a second.
    async fn attach(&self, factor: FactorSid, now: Monotonic) -> Option<Attachment>;
    /// Detaches the socket of a device, on whichever node, with [`Detached::Dismissed`].
    async fn dismiss(&self, factor: FactorSid);
    /// Tells the socket of a device, on whichever node, that another device has answered a challenge of this one. The message may
    /// be lost: a device that reads the challenge sees it, too.
    async fn answered_elsewhere(&self, factor: FactorSid, challenge: ChallengeSid);
    /// Watches a challenge.
    async fn watch(&self, challenge: ChallengeSid) -> Watch;
    /// Wakes all watchers of a challenge.
    async fn challenge_changed(&self, challenge: ChallengeSid);
    /// Tells all listeners of a change; those of this process before it returns.
    async fn announce(&self, changed: Changed);
    /// Adds a listener.
    fn listen(&self, listener: Listener);
    /// The devices that sockets of this process hold, without those that left the last offer unacknowledged: the rounds
    /// must not ask such a device over and over.
    fn held(&self) -> Vec<FactorSid>;
    /// The state of the connection to the other nodes; `None` if there are none.
    ///
    /// [`Link::Up`] means that all subscriptions are in force again: a read after it finds everything that was parked while
    /// the link was down.
    fn link(&self) -> Option<watch::Receiver<Link>>;
    /// Waits until all messages have left this process, or cannot leave it. Call it before the process ends.
    async fn flush(&self);
}
