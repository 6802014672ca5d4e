//! The bus within one process.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use countersign_domain::time::Instant;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::seam::{Attachment, Bus, Changed, Listener, Offer, Parting, Pending, Reception, Watch};

/// A device's older socket is replaced by a newer one only after this long.
const SHORTEST_HOLD: Duration = Duration::from_secs(1);
/// Offers that may wait for a socket to write them. What must be acknowledged is bounded by the socket itself.
const OFFERS: usize = 100;
/// Enough that two threads seldom want the same one.
const SHARDS: usize = 64;

/// One socket's end of things.
struct Socket {
    offers: mpsc::Sender<Box<Pending>>,
    parting: Option<oneshot::Sender<Parting>>,
    since: Instant,
    id: u64,
}

type Shard<K, V> = Mutex<HashMap<K, V>>;

/// A map in shards, each behind a lock that is held for a few instructions and never across an await.
struct Sharded<K, V>(Vec<Shard<K, V>>);

impl<K: Hash + Eq, V> Sharded<K, V> {
    fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    fn of(&self, key: &K) -> MutexGuard<'_, HashMap<K, V>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let shard = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or_default();
        // A panic while holding the lock cannot leave a map half changed.
        self.0[shard].lock().unwrap_or_else(PoisonError::into_inner)
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
        // One strong reference is the dropping watch's own.
        if watches.get(&self.challenge).is_some_and(|watch| watch.strong_count() <= 1) {
            watches.remove(&self.challenge);
        }
    }
}

#[async_trait]
impl Bus for LocalBus {
    async fn offer(&self, offer: Offer) -> Reception {
        let (reply, answer) = oneshot::channel();
        let sent = match self.0.sockets.of(&offer.factor).get(&offer.factor) {
            None => return Reception::Nobody,
            Some(socket) => socket.offers.try_send(Box::new(Pending { offer, reply })),
        };
        match sent {
            Ok(()) => answer.await.unwrap_or(Reception::Nobody),
            Err(TrySendError::Full(_)) => Reception::Busy,
            Err(TrySendError::Closed(_)) => Reception::Nobody,
        }
    }

    async fn is_attached(&self, factor: FactorSid) -> bool {
        self.0.sockets.of(&factor).contains_key(&factor)
    }

    async fn attach(&self, factor: FactorSid, now: Instant) -> Option<Attachment> {
        let (sender, offers) = mpsc::channel(OFFERS);
        let (part, parting) = oneshot::channel();
        let id = self.0.next_id.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let socket = Socket { offers: sender, parting: Some(part), since: now, id };
        match self.0.sockets.of(&factor).entry(factor) {
            Entry::Occupied(held) if now < held.get().since + SHORTEST_HOLD => return None,
            Entry::Occupied(mut held) => {
                if let Some(part) = held.insert(socket).parting.take() {
                    // The older socket may be ending by itself.
                    let _ = part.send(Parting::Replaced);
                }
            }
            Entry::Vacant(free) => {
                free.insert(socket);
            }
        }
        let hold = Hold { state: Arc::clone(&self.0), factor, id };
        Some(Attachment { offers, parting, _hold: Box::new(hold) })
    }

    async fn dismiss(&self, factor: FactorSid) {
        let part =
            self.0.sockets.of(&factor).remove(&factor).and_then(|mut held| held.parting.take());
        if let Some(part) = part {
            let _ = part.send(Parting::Dismissed);
        }
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
        let watch = self.0.watches.of(&challenge).get(&challenge).and_then(Weak::upgrade);
        if let Some(watch) = watch {
            watch.notify_waiters();
        }
    }

    async fn announce(&self, changed: Changed) {
        let listeners = self.0.listeners.read().unwrap_or_else(PoisonError::into_inner);
        for listener in listeners.iter() {
            listener(changed);
        }
    }

    fn listen(&self, listener: Listener) {
        self.0.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }
}
