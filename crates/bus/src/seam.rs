//! Everything this server asks of the wire between its parts.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{
    AccountSid, ApiKeySid, ChallengeSid, CredentialSid, EntitySid, FactorSid, NotificationSid,
    ServiceSid,
};
use countersign_domain::text::Message;
use countersign_domain::time::Instant;
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// A prompt for a device that holds a stream to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// By which the device acknowledges it.
    pub notification: NotificationSid,
    /// What it tells of.
    pub challenge: ChallengeSid,
    /// The device.
    pub factor: FactorSid,
    /// The question.
    pub message: Message,
    /// After this instant it must not be shown.
    pub expires_at: Instant,
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reception {
    /// The device acknowledged it.
    Acknowledged,
    /// It was written, or may have been, and then the time ran out or the socket ended.
    Unacknowledged,
    /// Nobody holds the device's socket, or it ended before the offer was written, or whoever holds it cannot be reached
    /// now.
    Nobody,
    /// The device has too many offers to acknowledge already: one, if it left the last one unacknowledged.
    Busy,
}

/// An offer on its way to a socket. Dropping it unanswered reads as [`Reception::Nobody`].
#[derive(Debug)]
pub struct Pending {
    /// The offer.
    pub offer: Offer,
    /// Where to say what became of it.
    pub reply: oneshot::Sender<Reception>,
}

/// Why a socket has to part with its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// A newer socket of the same device took over.
    Replaced,
    /// The factor is gone, or no longer reached by a stream.
    Dismissed,
}

/// A socket's hold on its device: while it lives, offers find it. Dropping it lets go.
pub struct Attachment {
    /// Offers to write. Bounded; what does not fit is answered [`Reception::Busy`].
    pub offers: mpsc::Receiver<Box<Pending>>,
    /// Ends the hold from outside.
    pub parting: oneshot::Receiver<Parting>,
    /// Lets go when dropped.
    pub(crate) _hold: Box<dyn Send + Sync>,
}

/// Something that others may have in a cache, or wait for.
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
    /// An entity, which was deleted.
    Entity(EntitySid),
    /// A factor, which was deleted.
    Factor(FactorSid),
}

/// Who is told of changes; called at once, so it must be quick.
pub type Listener = Box<dyn Fn(Changed) + Send + Sync>;

/// Waits for a challenge to leave `pending`.
pub struct Watch {
    pub(crate) notify: Arc<Notify>,
    /// Forgets the watch when the last one is dropped. After `notify`, whose count it looks at.
    pub(crate) _watcher: Box<dyn Send + Sync>,
}

impl Watch {
    /// Ends when the challenge may have changed; look again then. Call it before looking, await it after: a change in
    /// between is not missed.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.notify.notified()
    }
}

/// Whether this process reaches the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It does: what is said now is heard.
    Up,
    /// It does not, and tries to. Devices that are held here are still found here.
    Down,
}

/// The wire.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Offers a prompt to the socket of its device, wherever that is, and waits for what becomes of it.
    async fn offer(&self, offer: Offer) -> Reception;
    /// Whether some socket is known to hold the device now.
    async fn is_attached(&self, factor: FactorSid) -> bool;
    /// Makes a device findable at a socket from `now` on, by this process's own clock: whoever asks after this returns finds it, from wherever they
    /// ask. An older hold ends with [`Parting::Replaced`], wherever it is; `None` if that one is less than a second old.
    async fn attach(&self, factor: FactorSid, now: Monotonic) -> Option<Attachment>;
    /// Ends the hold on a device with [`Parting::Dismissed`], wherever it is.
    async fn dismiss(&self, factor: FactorSid);
    /// Watches a challenge.
    async fn watch(&self, challenge: ChallengeSid) -> Watch;
    /// Wakes all who watch a challenge.
    async fn settle(&self, challenge: ChallengeSid);
    /// Tells all listeners of a change, those of this process before it returns.
    async fn announce(&self, changed: Changed);
    /// Adds a listener.
    fn listen(&self, listener: Listener);
    /// The devices that sockets of this process hold, but for those that left the last prompt unacknowledged: whoever
    /// looks again for what is parked must not ask such a device over and over.
    fn held(&self) -> Vec<FactorSid>;
    /// How this process's link to the others is, and becomes; `None` if there are no others.
    ///
    /// `Up` means that all subscriptions are in force again: whoever looks then for what was parked meanwhile, finds it.
    fn link(&self) -> Option<watch::Receiver<Link>>;
    /// Waits until what was said has left this process, or cannot: before the process ends.
    async fn flush(&self);
}
