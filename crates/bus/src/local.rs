//! The bus within one process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use dashmap::{DashMap, Entry};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::seam::{
    Attachment, Bus, Changed, Detached, Link, Listener, Offer, OfferOutcome, PendingOffer,
    ToDevice, Watch,
};

/// A newer socket replaces the older one of its device only after this long.
pub(crate) const SHORTEST_HOLD: Duration = Duration::from_secs(1);
/// Messages that may wait for a socket to write them. The socket itself bounds the offers that wait for an acknowledgement.
pub(crate) const MESSAGES: usize = 100;

/// The bus's end of one socket.
struct Socket {
    messages: mpsc::Sender<Box<ToDevice>>,
    detached: oneshot::Sender<Detached>,
    since: Monotonic,
    id: u64,
    /// Whether the device left the last offer unacknowledged.
    is_silent: bool,
    /// Offers in the socket's queue or with the device, without an outcome yet.
    outstanding: usize,
}

impl Socket {
    /// Tells the socket to detach from its device. The socket may have ended already.
    fn detach(self, why: Detached) {
        let _ = self.detached.send(why);
    }
}

/// The maps are locked for a few instructions and never across an await.
struct State {
    sockets: DashMap<FactorSid, Socket>,
    watches: DashMap<ChallengeSid, Weak<Notify>>,
    listeners: RwLock<Vec<Listener>>,
    next_id: AtomicU64,
}

/// The bus of a single process. Clones are the same bus.
#[derive(Clone)]
pub struct LocalBus(Arc<State>);

impl Default for LocalBus {
    fn default() -> Self {
        Self(Arc::new(State {
            sockets: DashMap::new(),
            watches: DashMap::new(),
            listeners: RwLock::default(),
            next_id: AtomicU64::new(0),
        }))
    }
}

/// Counts one offer as outstanding at its socket.
struct Outstanding<'a> {
    bus: &'a LocalBus,
    factor: FactorSid,
    id: u64,
}

impl Outstanding<'_> {
    /// Records whether the device acknowledges.
    fn end(self, outcome: OfferOutcome) {
        if let Some(mut socket) = self.bus.0.sockets.get_mut(&self.factor)
            && socket.id == self.id
        {
            match outcome {
                OfferOutcome::Acknowledged => socket.is_silent = false,
                OfferOutcome::Unacknowledged => socket.is_silent = true,
                OfferOutcome::NotConnected | OfferOutcome::Busy => {}
            }
        }
    }
}

impl Drop for Outstanding<'_> {
    fn drop(&mut self) {
        if let Some(mut socket) = self.bus.0.sockets.get_mut(&self.factor)
            && socket.id == self.id
        {
            socket.outstanding = socket.outstanding.saturating_sub(1);
        }
    }
}

/// Detaches a socket when dropped, unless a newer socket holds the device.
struct Hold {
    state: Arc<State>,
    factor: FactorSid,
    id: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.state.sockets.remove_if(&self.factor, |_, socket| socket.id == self.id);
    }
}

/// Removes a watch when its last watcher is dropped.
struct Watcher {
    state: Arc<State>,
    challenge: ChallengeSid,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The watch that is being dropped has released its own reference already.
        self.state.watches.remove_if(&self.challenge, |_, watch| watch.strong_count() == 0);
    }
}

/// The reply to a node that wants to attach a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takeover {
    /// No socket of this process holds the device.
    Free,
    /// A socket holds it, and for too short a time to be replaced.
    TooSoon,
}

/// What a bus between nodes does at one of them.
impl LocalBus {
    /// Whether a socket of this process holds the device.
    pub fn is_here(&self, factor: FactorSid) -> bool {
        // A socket that takes no more offers is ending, though it still holds its device.
        self.0.sockets.get(&factor).is_some_and(|socket| !socket.messages.is_closed())
    }

    /// All devices that sockets of this process hold, and since when.
    pub fn holds(&self) -> Vec<(FactorSid, Monotonic)> {
        self.0.sockets.iter().map(|socket| (*socket.key(), socket.since)).collect()
    }

    /// Detaches the socket here, unless its hold is too young, so that another node can attach the device.
    pub fn give_up(&self, factor: FactorSid, now: Monotonic) -> Takeover {
        match self.0.sockets.entry(factor) {
            Entry::Occupied(held) if now < held.get().since + SHORTEST_HOLD => Takeover::TooSoon,
            Entry::Occupied(held) => {
                held.remove().detach(Detached::Replaced);
                Takeover::Free
            }
            Entry::Vacant(_) => Takeover::Free,
        }
    }

    /// Detaches the socket here if its hold is older than one of another node, which began at `since`. Returns the start of
    /// the hold here if that is newer.
    pub fn give_up_older(&self, factor: FactorSid, since: Monotonic) -> Option<Monotonic> {
        let Entry::Occupied(held) = self.0.sockets.entry(factor) else { return None };
        let own = held.get().since;
        if own < since {
            held.remove().detach(Detached::Replaced);
        }
        (own > since).then_some(own)
    }

    /// Wakes the watchers of all challenges.
    pub fn wake_all(&self) {
        for watch in self.0.watches.iter().filter_map(|watch| watch.upgrade()) {
            watch.notify_waiters();
        }
    }

    /// Calls the listeners of this process.
    pub fn tell(&self, changed: Changed) {
        let listeners = self.0.listeners.read().unwrap_or_else(PoisonError::into_inner);
        for listener in listeners.iter() {
            listener(changed);
        }
    }

    /// Wakes this process's watchers of a challenge.
    pub fn wake(&self, challenge: ChallengeSid) {
        let watch = self.0.watches.get(&challenge).and_then(|watch| watch.upgrade());
        if let Some(watch) = watch {
            watch.notify_waiters();
        }
    }

    /// Tells this process's socket of a device that another one has answered. Without room in its queue the message is lost.
    pub fn tell_device(&self, factor: FactorSid, challenge: ChallengeSid) {
        if let Some(socket) = self.0.sockets.get(&factor) {
            let message = ToDevice::AnsweredElsewhere { factor, challenge };
            let _ = socket.messages.try_send(Box::new(message));
        }
    }

    /// Dismisses this process's socket of a device.
    pub fn dismiss_here(&self, factor: FactorSid) {
        if let Some((_, held)) = self.0.sockets.remove(&factor) {
            held.detach(Detached::Dismissed);
        }
    }
}

#[async_trait]
impl Bus for LocalBus {
    async fn offer(&self, offer: Offer) -> OfferOutcome {
        let (reply, outcome) = oneshot::channel();
        let factor = offer.factor;
        let outstanding = match self.0.sockets.get_mut(&factor) {
            None => return OfferOutcome::NotConnected,
            // A silent device gets one offer at a time: each holds a permit of the engine until its acknowledgement is
            // overdue.
            Some(socket) if socket.is_silent && socket.outstanding > 0 => {
                return OfferOutcome::Busy;
            }
            Some(mut socket) => {
                let message = ToDevice::Offer(PendingOffer { offer, reply });
                match socket.messages.try_send(Box::new(message)) {
                    Ok(()) => {
                        socket.outstanding += 1;
                        Outstanding { bus: self, factor, id: socket.id }
                    }
                    Err(TrySendError::Full(_)) => return OfferOutcome::Busy,
                    Err(TrySendError::Closed(_)) => return OfferOutcome::NotConnected,
                }
            }
        };
        let outcome = outcome.await.unwrap_or(OfferOutcome::NotConnected);
        outstanding.end(outcome);
        outcome
    }

    async fn is_attached(&self, factor: FactorSid) -> bool {
        self.is_here(factor)
    }

    async fn attach(&self, factor: FactorSid, now: Monotonic) -> Option<Attachment> {
        let (sender, messages) = mpsc::channel(MESSAGES);
        let (detach, detached) = oneshot::channel();
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let socket = Socket {
            messages: sender,
            detached: detach,
            since: now,
            id,
            is_silent: false,
            outstanding: 0,
        };
        match self.0.sockets.entry(factor) {
            Entry::Occupied(held) if now < held.get().since + SHORTEST_HOLD => return None,
            Entry::Occupied(mut held) => held.insert(socket).detach(Detached::Replaced),
            Entry::Vacant(free) => {
                free.insert(socket);
            }
        }
        let hold = Hold { state: Arc::clone(&self.0), factor, id };
        Some(Attachment { messages, detached, _hold: Box::new(hold) })
    }

    async fn dismiss(&self, factor: FactorSid) {
        self.dismiss_here(factor);
    }

    async fn answered_elsewhere(&self, factor: FactorSid, challenge: ChallengeSid) {
        self.tell_device(factor, challenge);
    }

    async fn watch(&self, challenge: ChallengeSid) -> Watch {
        let mut watch = self.0.watches.entry(challenge).or_default();
        let notify = watch.upgrade().unwrap_or_default();
        *watch = Arc::downgrade(&notify);
        drop(watch);
        let watcher = Watcher { state: Arc::clone(&self.0), challenge };
        Watch { notify, _watcher: Box::new(watcher) }
    }

    async fn challenge_changed(&self, challenge: ChallengeSid) {
        self.wake(challenge);
    }

    async fn announce(&self, changed: Changed) {
        self.tell(changed);
    }

    fn listen(&self, listener: Listener) {
        self.0.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    fn held(&self) -> Vec<FactorSid> {
        let sockets = self.0.sockets.iter().filter(|socket| !socket.is_silent);
        sockets.map(|socket| *socket.key()).collect()
    }

    fn link(&self) -> Option<watch::Receiver<Link>> {
        None
    }

    async fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use countersign_testkit::ManualClock;

    use super::*;
    use crate::conformance::{BusPair, CHALLENGE};

    async fn one_process() -> (BusPair, ()) {
        let bus = Arc::new(LocalBus::default());
        let pair = BusPair { here: Arc::clone(&bus) as _, there: bus, clock: ManualClock::new() };
        (pair, ())
    }

    crate::conformance!(one_process);

    #[tokio::test]
    async fn a_watch_is_removed_with_its_last_watcher() {
        let bus = LocalBus::default();
        let (first, second) = (bus.watch(CHALLENGE).await, bus.watch(CHALLENGE).await);
        drop(first);
        assert!(!bus.0.watches.is_empty());
        drop(second);
        assert!(bus.0.watches.is_empty());
    }
}
