//! Hands deliveries that this process has stored to the engine of the same process, in memory.
//!
//! A slot is reserved *before* the delivery is stored, so that the store knows whether the delivery is born leased (the
//! engine takes it at once) or due (a poll finds it).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_domain::delivery::Lease;
use countersign_domain::prospect::TimedProspect;
use countersign_domain::sid::FactorSid;
use tokio::sync::{Notify, mpsc};

/// A delivery, stored and leased.
#[derive(Debug)]
pub struct Leased {
    /// The lease.
    pub lease: Lease,
    /// The prospect of the first attempt, if the command that stored the delivery has returned it.
    pub known: Option<TimedProspect>,
}

/// Work for the engine.
#[derive(Debug)]
pub enum Work {
    /// A delivery to begin.
    Attempt(Box<Leased>),
    /// A device has connected, or may have while something was parked for it: its parked deliveries are to be leased.
    Connected(FactorSid),
}

/// The sending end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HandOver {
    work: mpsc::Sender<Work>,
    sent: Arc<AtomicU64>,
    due: Arc<Notify>,
    calls: Arc<Notify>,
    clients: Arc<Notify>,
}

/// The receiving end, for the engine.
#[derive(Debug)]
pub struct Inbox {
    /// The queue of work.
    pub work: mpsc::Receiver<Work>,
    /// Notified when a delivery has become due that was not handed over.
    pub due: Arc<Notify>,
    /// Notified when an event was stored that a webhook may be subscribed to.
    pub calls: Arc<Notify>,
    /// Notified when an answer was stored that ends a client's question.
    pub clients: Arc<Notify>,
}

/// A reserved slot in the engine's queue. Dropping it unused frees it.
pub struct Slot {
    permit: mpsc::OwnedPermit<Work>,
    sent: Arc<AtomicU64>,
}

impl Slot {
    /// Hands a delivery over. Never waits.
    pub fn hand_over(self, leased: Leased) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.permit.send(Work::Attempt(Box::new(leased)));
    }
}

impl HandOver {
    /// Both ends of a queue with `capacity` slots.
    pub fn new(capacity: usize) -> (Self, Inbox) {
        let (sender, work) = mpsc::channel(capacity);
        let (due, calls) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let clients = Arc::new(Notify::new());
        let inbox = Inbox {
            work,
            due: Arc::clone(&due),
            calls: Arc::clone(&calls),
            clients: Arc::clone(&clients),
        };
        (Self { work: sender, sent: Arc::default(), due, calls, clients }, inbox)
    }

    /// Reserves a slot, if one is free.
    pub fn reserve(&self) -> Option<Slot> {
        let permit = self.work.clone().try_reserve_owned().ok()?;
        Some(Slot { permit, sent: Arc::clone(&self.sent) })
    }

    /// Announces that a delivery is due that was not handed over.
    pub fn wake(&self) {
        self.due.notify_one();
    }

    /// Announces that an event was stored that a webhook may be subscribed to.
    pub fn happened(&self) {
        self.calls.notify_one();
        self.clients.notify_one();
    }

    /// Announces that a device has connected, waiting for a slot in the queue. Fails silently if the engine has ended: the
    /// process is ending too.
    pub async fn connected(&self, factor: FactorSid) {
        if let Ok(slot) = self.work.reserve().await {
            self.sent.fetch_add(1, Ordering::Relaxed);
            slot.send(Work::Connected(factor));
        }
    }

    /// The number of pieces of work put into the queue so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}
