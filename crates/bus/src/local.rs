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
        // The dropping watch has let go of its own reference by now.
        if watches.get(&self.challenge).is_some_and(|watch| watch.strong_count() == 0) {
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
        // A socket that takes no more offers is ending, though it still holds its device.
        self.0.sockets.of(&factor).get(&factor).is_some_and(|socket| !socket.offers.is_closed())
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

#[cfg(test)]
mod tests {
    use countersign_domain::sid::NotificationSid;
    use countersign_domain::text::Message;

    use super::*;

    const NOON: Instant = Instant::from_seconds(1_700_000_000);
    const PHONE: FactorSid = FactorSid::from_bytes([3; 16]);
    const QUESTION: ChallengeSid = ChallengeSid::from_bytes([4; 16]);

    fn offer() -> Offer {
        Offer {
            notification: NotificationSid::from_bytes([5; 16]),
            challenge: QUESTION,
            factor: PHONE,
            message: Message::parse("Log in from Lisbon?").expect("a message"),
            expires_at: NOON + Duration::from_secs(300),
        }
    }

    async fn attached(bus: &LocalBus) -> Attachment {
        bus.attach(PHONE, NOON).await.expect("nobody else is there")
    }

    #[tokio::test]
    async fn an_offer_to_nobody_is_answered_at_once() {
        let bus = LocalBus::default();
        assert!(!bus.is_attached(PHONE).await);
        assert_eq!(bus.offer(offer()).await, Reception::Nobody);
    }

    #[tokio::test]
    async fn an_offer_reaches_the_socket_and_its_word_comes_back() {
        let bus = LocalBus::default();
        let mut socket = attached(&bus).await;
        assert!(bus.is_attached(PHONE).await);
        for word in [Reception::Acknowledged, Reception::Unacknowledged] {
            let (heard, ()) = tokio::join!(bus.offer(offer()), async {
                let pending = socket.offers.recv().await.expect("the bus lives");
                assert_eq!(pending.offer, offer());
                pending.reply.send(word).expect("the other side waits");
            });
            assert_eq!(heard, word);
        }
    }

    #[tokio::test]
    async fn an_offer_that_is_dropped_found_nobody() {
        let bus = LocalBus::default();
        let mut socket = attached(&bus).await;
        let (heard, ()) = tokio::join!(bus.offer(offer()), async {
            drop(socket.offers.recv().await);
        });
        assert_eq!(heard, Reception::Nobody);

        // Waiting in the queue when the socket ends.
        let (heard, ()) = tokio::join!(bus.offer(offer()), async {
            tokio::task::yield_now().await;
            drop(socket);
        });
        assert_eq!(heard, Reception::Nobody);
        assert!(!bus.is_attached(PHONE).await);
    }

    #[tokio::test]
    async fn a_socket_that_takes_no_more_offers_holds_nobody() {
        let bus = LocalBus::default();
        let mut socket = attached(&bus).await;
        socket.offers.close();
        assert!(!bus.is_attached(PHONE).await);
        assert_eq!(bus.offer(offer()).await, Reception::Nobody);
    }

    #[tokio::test]
    async fn a_slow_socket_is_busy() {
        let bus = LocalBus::default();
        let socket = attached(&bus).await;
        let waiting: Vec<_> = (0..OFFERS)
            .map(|_| {
                let bus = bus.clone();
                tokio::spawn(async move { bus.offer(offer()).await })
            })
            .collect();
        while socket.offers.len() < OFFERS {
            tokio::task::yield_now().await;
        }
        assert_eq!(bus.offer(offer()).await, Reception::Busy);
        drop(socket);
        for heard in waiting {
            assert_eq!(heard.await.expect("no panic"), Reception::Nobody);
        }
    }

    #[tokio::test]
    async fn a_newer_socket_takes_over_but_not_within_a_second() {
        let bus = LocalBus::default();
        let mut older = attached(&bus).await;
        let almost = NOON + SHORTEST_HOLD - Duration::from_micros(1);
        assert!(bus.attach(PHONE, almost).await.is_none());
        assert!(older.parting.try_recv().is_err(), "it was left alone");

        let newer = bus.attach(PHONE, NOON + SHORTEST_HOLD).await.expect("a second has passed");
        assert_eq!(older.parting.await, Ok(Parting::Replaced));
        drop((older.offers, older._hold));
        assert!(bus.is_attached(PHONE).await, "the older one lets go of nothing");
        assert_eq!(newer.offers.len(), 0);
        drop(newer);
        assert!(!bus.is_attached(PHONE).await);
        assert!(bus.attach(PHONE, NOON + SHORTEST_HOLD).await.is_some(), "nobody is replaced");
    }

    #[tokio::test]
    async fn a_dismissed_socket_is_told_and_not_found() {
        let bus = LocalBus::default();
        bus.dismiss(PHONE).await;
        let socket = attached(&bus).await;
        bus.dismiss(PHONE).await;
        assert!(!bus.is_attached(PHONE).await);
        assert_eq!(bus.offer(offer()).await, Reception::Nobody);
        assert_eq!(socket.parting.await, Ok(Parting::Dismissed));
    }

    #[tokio::test]
    async fn all_watchers_are_woken_and_none_is_remembered() {
        let bus = LocalBus::default();
        bus.settle(QUESTION).await;
        let (first, second) = (bus.watch(QUESTION).await, bus.watch(QUESTION).await);
        let (one, two) = (first.changed(), second.changed());
        bus.settle(QUESTION).await;
        tokio::join!(one, two);

        drop(first);
        let again = second.changed();
        bus.settle(QUESTION).await;
        again.await;
        drop(second);
        assert!(bus.0.watches.of(&QUESTION).is_empty());
    }

    #[tokio::test]
    async fn a_change_between_looking_and_waiting_is_not_missed() {
        let bus = LocalBus::default();
        let watch = bus.watch(QUESTION).await;
        let changed = watch.changed();
        bus.settle(QUESTION).await;
        changed.await;
    }

    #[tokio::test]
    async fn listeners_are_told_before_an_announcement_returns() {
        let bus = LocalBus::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..2 {
            let heard = Arc::clone(&heard);
            bus.listen(Box::new(move |changed| {
                heard.lock().expect("no panic").push(changed);
            }));
        }
        let service = Changed::Service(countersign_domain::sid::ServiceSid::from_bytes([1; 16]));
        bus.announce(service).await;
        assert_eq!(*heard.lock().expect("no panic"), [service, service]);
    }
}
