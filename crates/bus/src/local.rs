//! The bus within one process.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::seam::{
    Attachment, Bus, Changed, Link, Listener, Offer, Parting, Pending, Reception, Watch,
};

/// A device's older socket is replaced by a newer one only after this long.
pub(crate) const SHORTEST_HOLD: Duration = Duration::from_secs(1);
/// Offers that may wait for a socket to write them. What must be acknowledged is bounded by the socket itself.
pub(crate) const OFFERS: usize = 100;
/// Enough that two threads seldom want the same one.
const SHARDS: usize = 64;

/// One socket's end of things.
struct Socket {
    offers: mpsc::Sender<Box<Pending>>,
    parting: oneshot::Sender<Parting>,
    since: Monotonic,
    id: u64,
    /// It left the last offer unacknowledged.
    is_silent: bool,
    /// Offers that it has been handed and that nothing has become of yet.
    outstanding: usize,
}

/// One offer in a socket's hands.
struct InHands<'a> {
    bus: &'a LocalBus,
    factor: FactorSid,
    id: u64,
}

impl InHands<'_> {
    /// What became of it; whether the device acknowledges is remembered.
    fn end(self, reception: Reception) {
        if let Some(socket) = self.bus.0.sockets.of(&self.factor).get_mut(&self.factor)
            && socket.id == self.id
        {
            match reception {
                Reception::Acknowledged => socket.is_silent = false,
                Reception::Unacknowledged => socket.is_silent = true,
                Reception::Nobody | Reception::Busy => {}
            }
        }
    }
}

impl Drop for InHands<'_> {
    fn drop(&mut self) {
        if let Some(socket) = self.bus.0.sockets.of(&self.factor).get_mut(&self.factor)
            && socket.id == self.id
        {
            socket.outstanding = socket.outstanding.saturating_sub(1);
        }
    }
}

impl Socket {
    /// Tells the socket to part with its device. It may be ending by itself.
    fn part(self, why: Parting) {
        let _ = self.parting.send(why);
    }
}

type Shard<K, V> = Mutex<HashMap<K, V>>;

/// A map in shards, each behind a lock that is held for a few instructions and never across an await.
pub(crate) struct Sharded<K, V>(Vec<Shard<K, V>>);

impl<K: Hash + Eq, V> Sharded<K, V> {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    pub(crate) fn of(&self, key: &K) -> MutexGuard<'_, HashMap<K, V>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let shard = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or_default();
        // A panic while holding the lock cannot leave a map half changed.
        self.0[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shard after shard.
    fn all(&self) -> impl Iterator<Item = MutexGuard<'_, HashMap<K, V>>> {
        self.0.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct State {
    sockets: Sharded<FactorSid, Socket>,
    watches: Sharded<ChallengeSid, Weak<Notify>>,
    listeners: RwLock<Vec<Listener>>,
    next_id: std::sync::atomic::AtomicU64,
}

/// The bus of a single process.
#[derive(Clone)]
pub struct LocalBus(Arc<State>);

impl Default for LocalBus {
    fn default() -> Self {
        Self(Arc::new(State {
            sockets: Sharded::new(),
            watches: Sharded::new(),
            listeners: RwLock::default(),
            next_id: Default::default(),
        }))
    }
}

/// Lets go of a device, unless a newer socket holds it by now.
struct Hold {
    state: Arc<State>,
    factor: FactorSid,
    id: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut sockets = self.state.sockets.of(&self.factor);
        if sockets.get(&self.factor).is_some_and(|socket| socket.id == self.id) {
            sockets.remove(&self.factor);
        }
    }
}

/// Forgets a watch when its last watcher goes.
struct Watcher {
    state: Arc<State>,
    challenge: ChallengeSid,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut watches = self.state.watches.of(&self.challenge);
        // The dropping watch has let go of its own reference by now.
        if watches.get(&self.challenge).is_some_and(|watch| watch.strong_count() == 0) {
            watches.remove(&self.challenge);
        }
    }
}

/// What became of another node's wish to have a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takeover {
    /// Nobody holds it here, or nobody any more.
    Free,
    /// It is held, and not long enough to be replaced.
    TooSoon,
}

impl LocalBus {
    /// Whether a socket of this process holds the device.
    pub(crate) fn is_here(&self, factor: FactorSid) -> bool {
        // A socket that takes no more offers is ending, though it still holds its device.
        self.0.sockets.of(&factor).get(&factor).is_some_and(|socket| !socket.offers.is_closed())
    }

    /// Every hold, and since when.
    pub(crate) fn holds(&self) -> Vec<(FactorSid, Monotonic)> {
        let shards = self.0.sockets.all();
        shards
            .flat_map(|shard| shard.iter().map(|(&f, s)| (f, s.since)).collect::<Vec<_>>())
            .collect()
    }

    /// Lets a socket of another node have the device: ends the hold here, unless that is too young.
    pub(crate) fn give_up(&self, factor: FactorSid, now: Monotonic) -> Takeover {
        match self.0.sockets.of(&factor).entry(factor) {
            Entry::Occupied(held) if now < held.get().since + SHORTEST_HOLD => Takeover::TooSoon,
            Entry::Occupied(held) => {
                held.remove().part(Parting::Replaced);
                Takeover::Free
            }
            Entry::Vacant(_) => Takeover::Free,
        }
    }

    /// Ends the hold here if it is older than one of another node, which began at `since`. Since when it is held here, if
    /// that is newer.
    pub(crate) fn give_up_older(&self, factor: FactorSid, since: Monotonic) -> Option<Monotonic> {
        let mut sockets = self.0.sockets.of(&factor);
        let own = sockets.get(&factor)?.since;
        if own < since
            && let Some(older) = sockets.remove(&factor)
        {
            older.part(Parting::Replaced);
        }
        (own > since).then_some(own)
    }

    /// Has everybody who watches a challenge look again.
    pub(crate) fn wake_all(&self) {
        for shard in self.0.watches.all() {
            for watch in shard.values().filter_map(Weak::upgrade) {
                watch.notify_waiters();
            }
        }
    }

    /// Tells this process's listeners.
    pub(crate) fn tell(&self, changed: Changed) {
        let listeners = self.0.listeners.read().unwrap_or_else(PoisonError::into_inner);
        for listener in listeners.iter() {
            listener(changed);
        }
    }

    /// Wakes this process's watchers of a challenge.
    pub(crate) fn wake(&self, challenge: ChallengeSid) {
        let watch = self.0.watches.of(&challenge).get(&challenge).and_then(Weak::upgrade);
        if let Some(watch) = watch {
            watch.notify_waiters();
        }
    }

    /// Ends this process's hold on a device.
    pub(crate) fn dismiss_here(&self, factor: FactorSid) {
        let held = self.0.sockets.of(&factor).remove(&factor);
        if let Some(held) = held {
            held.part(Parting::Dismissed);
        }
    }
}

#[async_trait]
impl Bus for LocalBus {
    async fn offer(&self, offer: Offer) -> Reception {
        let (reply, answer) = oneshot::channel();
        let factor = offer.factor;
        let in_hands = match self.0.sockets.of(&factor).get_mut(&factor) {
            None => return Reception::Nobody,
            // One at a time: each costs its engine a place for as long as a device may take to acknowledge.
            Some(socket) if socket.is_silent && socket.outstanding > 0 => return Reception::Busy,
            Some(socket) => match socket.offers.try_send(Box::new(Pending { offer, reply })) {
                Ok(()) => {
                    socket.outstanding += 1;
                    InHands { bus: self, factor, id: socket.id }
                }
                Err(TrySendError::Full(_)) => return Reception::Busy,
                Err(TrySendError::Closed(_)) => return Reception::Nobody,
            },
        };
        let reception = answer.await.unwrap_or(Reception::Nobody);
        in_hands.end(reception);
        reception
    }

    async fn is_attached(&self, factor: FactorSid) -> bool {
        self.is_here(factor)
    }

    async fn attach(&self, factor: FactorSid, now: Monotonic) -> Option<Attachment> {
        let (sender, offers) = mpsc::channel(OFFERS);
        let (part, parting) = oneshot::channel();
        let id = self.0.next_id.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let socket = Socket {
            offers: sender,
            parting: part,
            since: now,
            id,
            is_silent: false,
            outstanding: 0,
        };
        match self.0.sockets.of(&factor).entry(factor) {
            Entry::Occupied(held) if now < held.get().since + SHORTEST_HOLD => return None,
            Entry::Occupied(mut held) => {
                held.insert(socket).part(Parting::Replaced);
            }
            Entry::Vacant(free) => {
                free.insert(socket);
            }
        }
        let hold = Hold { state: Arc::clone(&self.0), factor, id };
        Some(Attachment { offers, parting, _hold: Box::new(hold) })
    }

    async fn dismiss(&self, factor: FactorSid) {
        self.dismiss_here(factor);
    }

    async fn watch(&self, challenge: ChallengeSid) -> Watch {
        let mut watches = self.0.watches.of(&challenge);
        let notify = watches.get(&challenge).and_then(Weak::upgrade).unwrap_or_default();
        watches.insert(challenge, Arc::downgrade(&notify));
        drop(watches);
        let watcher = Watcher { state: Arc::clone(&self.0), challenge };
        Watch { notify, _watcher: Box::new(watcher) }
    }

    async fn settle(&self, challenge: ChallengeSid) {
        self.wake(challenge);
    }

    async fn announce(&self, changed: Changed) {
        self.tell(changed);
    }

    fn listen(&self, listener: Listener) {
        self.0.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    fn held(&self) -> Vec<FactorSid> {
        let shards = self.0.sockets.all();
        let held = |shard: MutexGuard<'_, HashMap<FactorSid, Socket>>| -> Vec<FactorSid> {
            let talking = shard.iter().filter(|(_, socket)| !socket.is_silent);
            talking.map(|(&factor, _)| factor).collect()
        };
        shards.flat_map(held).collect()
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
    use crate::conformance::{QUESTION, Wire};

    async fn one_process() -> (Wire, ()) {
        let bus = Arc::new(LocalBus::default());
        let wire = Wire { here: Arc::clone(&bus) as _, there: bus, clock: ManualClock::new() };
        (wire, ())
    }

    crate::conformance!(one_process);

    #[tokio::test]
    async fn no_watch_is_remembered() {
        let bus = LocalBus::default();
        let (first, second) = (bus.watch(QUESTION).await, bus.watch(QUESTION).await);
        drop(first);
        assert!(!bus.0.watches.of(&QUESTION).is_empty());
        drop(second);
        assert!(bus.0.watches.of(&QUESTION).is_empty());
    }
}
