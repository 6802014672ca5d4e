//! The short way from whoever stores a delivery to the engine of the same process.
//!
//! A place is reserved *before* the delivery is stored, so that the store can be told whether the delivery is born
//! leased (somebody will take it at once) or due (somebody will find it).

use std::sync::Arc;

use countersign_domain::delivery::{Known, Lease};
use countersign_domain::sid::FactorSid;
use tokio::sync::{Notify, mpsc};

/// A delivery, stored and leased.
#[derive(Debug)]
pub struct Leased {
    /// The lease.
    pub lease: Lease,
    /// What the first attempt must know, if the command that stored it has told.
    pub known: Option<Known>,
}

/// What the engine is handed.
#[derive(Debug)]
pub enum Work {
    /// A delivery to begin with.
    Attempt(Box<Leased>),
    /// A device has connected, or may have while something was parked for it: look for its parked deliveries.
    Connected(FactorSid),
}

/// The near end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HandOver {
    work: mpsc::Sender<Work>,
    due: Arc<Notify>,
    calls: Arc<Notify>,
}

/// The far end: the engine's.
#[derive(Debug)]
pub struct Inbox {
    /// What was handed over.
    pub work: mpsc::Receiver<Work>,
    /// Woken when something has become due that nobody handed over.
    pub due: Arc<Notify>,
    /// Woken when something has happened that a webhook may want to hear of.
    pub calls: Arc<Notify>,
}

/// A place in the engine's queue. Dropped unused, it is free again.
pub struct Place(mpsc::OwnedPermit<Work>);

impl Place {
    /// Hands a delivery over. Never waits.
    pub fn hand_over(self, leased: Leased) {
        self.0.send(Work::Attempt(Box::new(leased)));
    }
}

impl HandOver {
    /// Both ends of a queue with `places` places.
    pub fn new(places: usize) -> (Self, Inbox) {
        let (sender, work) = mpsc::channel(places);
        let (due, calls) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let near = Self { work: sender, due: Arc::clone(&due), calls: Arc::clone(&calls) };
        (near, Inbox { work, due, calls })
    }

    /// A place, if one is free.
    pub fn reserve(&self) -> Option<Place> {
        self.work.clone().try_reserve_owned().ok().map(Place)
    }

    /// Tells that something is due and was not handed over.
    pub fn wake(&self) {
        self.due.notify_one();
    }

    /// Tells that something has happened, and is stored, that a webhook may want to hear of.
    pub fn happened(&self) {
        self.calls.notify_one();
    }

    /// Tells that a device has connected. Waits for a place in the queue; nothing is lost if the engine is gone, since
    /// then this process is ending.
    pub async fn connected(&self, factor: FactorSid) {
        let _ = self.work.send(Work::Connected(factor)).await;
    }
}
