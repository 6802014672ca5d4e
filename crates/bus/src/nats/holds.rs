//! The devices that sockets of this node hold, and the offers of other nodes that it has in hand.

use dashmap::{DashMap, Entry};
use tokio::sync::watch;

use countersign_domain::sid::{FactorSid, NotificationSid};

/// How a device is held.
#[derive(Debug)]
pub(super) struct HoldState {
    /// The sockets that hold it: the newest, and those that it replaced and that have not ended yet.
    pub(super) sockets: usize,
    /// Whether other nodes find the device here.
    pub(super) is_subscribed: bool,
    /// The node that took the device over and replies for it; empty if that node is unknown. This node then replies to no
    /// other: of two replies the first one counts, and this one would be that the device is not here.
    pub(super) taken_by: Option<String>,
}

/// The devices that this node holds, each with one subscription, however many sockets follow each other. Locked for a few
/// instructions and never across an await.
pub(super) struct Devices(DashMap<FactorSid, watch::Sender<HoldState>>);

impl Devices {
    pub(super) fn new() -> Self {
        Self(DashMap::new())
    }

    /// Adds a socket to a device. `begin` is called with the state if it is the first.
    pub(super) fn add_socket(
        &self,
        factor: FactorSid,
        begin: impl FnOnce(watch::Receiver<HoldState>),
    ) -> watch::Receiver<HoldState> {
        match self.0.entry(factor) {
            Entry::Occupied(held) => {
                held.get().send_modify(|held| {
                    held.sockets += 1;
                    held.taken_by = None;
                });
                held.get().subscribe()
            }
            Entry::Vacant(free) => {
                let first = HoldState { sockets: 1, is_subscribed: false, taken_by: None };
                let (sender, held) = watch::channel(first);
                free.insert(sender);
                begin(held.clone());
                held
            }
        }
    }

    /// Changes the state of a device that is held.
    pub(super) fn modify(&self, factor: FactorSid, change: impl FnOnce(&mut HoldState)) {
        if let Some(held) = self.0.get(&factor) {
            held.send_modify(change);
        }
    }

    /// Removes a device whatever its state.
    pub(super) fn remove(&self, factor: FactorSid) {
        self.0.remove(&factor);
    }

    /// Removes a device unless a socket holds it, and calls `then` before another socket can add it. Returns whether it did.
    pub(super) fn remove_unheld(&self, factor: FactorSid, then: impl FnOnce()) -> bool {
        match self.0.entry(factor) {
            Entry::Occupied(held) if held.get().borrow().sockets > 0 => return false,
            Entry::Occupied(held) => {
                then();
                held.remove();
            }
            Entry::Vacant(_free) => then(),
        }
        true
    }

    /// Whether another node than `asker` took the device over and replies for it.
    pub(super) fn is_taken_by_other(&self, factor: FactorSid, asker: Option<&str>) -> bool {
        self.0.get(&factor).is_some_and(|held| {
            let held = held.borrow();
            held.taken_by.is_some() && held.taken_by.as_deref() != asker
        })
    }
}

/// The number of offers of each notification that other nodes have made and that have no outcome here yet.
pub(super) struct OffersInHand(DashMap<NotificationSid, usize>);

impl OffersInHand {
    pub(super) fn new() -> Self {
        Self(DashMap::new())
    }

    /// Counts an offer.
    pub(super) fn add(&self, notification: NotificationSid) {
        *self.0.entry(notification).or_default() += 1;
    }

    /// Uncounts an offer.
    pub(super) fn remove(&self, notification: NotificationSid) {
        if let Entry::Occupied(mut offers) = self.0.entry(notification) {
            *offers.get_mut() -= 1;
            if *offers.get() == 0 {
                offers.remove();
            }
        }
    }

    /// Whether an offer of the notification has no outcome yet.
    pub(super) fn contains(&self, notification: NotificationSid) -> bool {
        self.0.contains_key(&notification)
    }
}
