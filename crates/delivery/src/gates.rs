//! How many attempts may run at once to one destination, so that a slow one does not slow the others.
//!
//! Push services have a fixed number of places for each credential. Devices on our own stream share one pool of places, of
//! which a service may hold no more than are still free: alone half of all, beside others as much as each of them, and a
//! service that has just begun finds some whatever the others do.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_domain::address::Platform;
use countersign_domain::delivery::Target;
use countersign_domain::sid::{CredentialSid, ServiceSid};
use tokio::sync::{Notify, Semaphore};

use crate::options::Options;

/// Destinations without attempts are forgotten when there are this many, and then when there are twice as many as were left.
const MANY: usize = 1_024;

/// Whose pushes share a gate: those with one credential or, where none is needed, those of one service, so that no tenant
/// stands in another's way.
#[derive(PartialEq, Eq, Hash)]
enum Destination {
    Credential(Platform, CredentialSid),
    Service(Platform, ServiceSid),
}

/// The gates of all destinations.
pub(crate) struct Gates {
    stream: Arc<Pool>,
    known: Mutex<Known>,
    attempts: usize,
    seats: usize,
}

struct Known {
    gates: HashMap<Destination, Arc<Gate>>,
    /// With so many, those that are not in use are forgotten.
    sweep_at: usize,
}

/// Places for attempts.
struct Pool {
    /// A gate may hold no more places than are free.
    is_shared: bool,
    state: Mutex<Places>,
}

struct Places {
    free: usize,
    /// The gates at which somebody waits, each once, in the order in which they are woken.
    waiting: VecDeque<Arc<Gate>>,
}

/// One destination's gate, with a waiting room before it.
pub(crate) struct Gate {
    pool: Arc<Pool>,
    line: Mutex<Line>,
    seats: Semaphore,
    freed: Notify,
}

/// Taken after the lock of the pool.
#[derive(Default)]
struct Line {
    held: usize,
    waiters: usize,
    is_listed: bool,
}

/// The right to make one attempt. Dropping it lets the next one through.
pub(crate) struct Pass(Arc<Gate>);

/// One who waits at a gate.
struct Waiter<'a>(&'a Gate);

/// The waiting room is full.
pub(crate) struct Crowded;

impl Pool {
    fn new(places: usize, is_shared: bool) -> Arc<Self> {
        let places = Places { free: places.max(1), waiting: VecDeque::new() };
        Arc::new(Self { is_shared, state: Mutex::new(places) })
    }
}

impl Gate {
    fn new(pool: Arc<Pool>, seats: usize) -> Arc<Self> {
        let seats = Semaphore::new(seats.min(Semaphore::MAX_PERMITS));
        Arc::new(Self { pool, line: Mutex::default(), seats, freed: Notify::new() })
    }

    /// A pass, if one is free and nobody waits for it.
    pub(crate) fn try_pass(self: &Arc<Self>) -> Option<Pass> {
        let mut places = lock(&self.pool.state);
        let mut line = lock(&self.line);
        if line.waiters > 0 { None } else { self.take(&mut places, &mut line) }
    }

    /// Waits for a pass, if there is a seat to wait on.
    pub(crate) async fn wait(self: &Arc<Self>) -> Result<Pass, Crowded> {
        let _seat = self.seats.try_acquire().map_err(|_| Crowded)?;
        lock(&self.line).waiters += 1;
        let _waiter = Waiter(self);
        loop {
            if let Some(pass) = self.take_or_list() {
                return Ok(pass);
            }
            self.freed.notified().await;
        }
    }

    fn take(self: &Arc<Self>, places: &mut Places, line: &mut Line) -> Option<Pass> {
        if places.free <= self.pool.least(line) {
            return None;
        }
        places.free -= 1;
        line.held += 1;
        Some(Pass(Arc::clone(self)))
    }

    /// A pass, or a place in the list of those to be woken.
    fn take_or_list(self: &Arc<Self>) -> Option<Pass> {
        let mut places = lock(&self.pool.state);
        let mut line = lock(&self.line);
        let pass = self.take(&mut places, &mut line);
        if pass.is_none() && !std::mem::replace(&mut line.is_listed, true) {
            places.waiting.push_back(Arc::clone(self));
        }
        pass
    }
}

impl Pool {
    /// Wakes one who waits at a gate that may have a place, beginning with the gate that was woken the longest ago.
    fn wake(&self, places: &mut Places) {
        for _ in 0..places.waiting.len() {
            let Some(next) = places.waiting.pop_front() else { return };
            let mut line = lock(&next.line);
            line.is_listed = line.waiters > 0;
            let is_woken = line.is_listed && places.free > self.least(&line);
            if is_woken {
                next.freed.notify_one();
            }
            if line.is_listed {
                drop(line);
                places.waiting.push_back(next);
            }
            if is_woken {
                return;
            }
        }
    }

    /// The number of places to leave for others.
    fn least(&self, line: &Line) -> usize {
        if self.is_shared { line.held } else { 0 }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut places = lock(&self.0.pool.state);
        lock(&self.0.line).waiters -= 1;
        // It may have been woken and not have taken its place.
        self.0.pool.wake(&mut places);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let gate = &self.0;
        let mut places = lock(&gate.pool.state);
        places.free += 1;
        lock(&gate.line).held -= 1;
        gate.pool.wake(&mut places);
    }
}

/// Nothing here can be left half changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gates {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            stream: Pool::new(options.stream_attempts, true),
            known: Mutex::new(Known { gates: HashMap::new(), sweep_at: MANY }),
            attempts: options.credential_attempts,
            seats: options.waiting,
        }
    }

    /// The gate before a destination.
    pub(crate) fn to(&self, target: &Target) -> Arc<Gate> {
        let platform = target.address.platform();
        let (destination, pool) = match (platform, target.credential) {
            (Platform::Stream, _) => {
                (Destination::Service(platform, target.service), Some(&self.stream))
            }
            (_, Some(credential)) => (Destination::Credential(platform, credential), None),
            (_, None) => (Destination::Service(platform, target.service), None),
        };
        let mut known = lock(&self.known);
        if known.gates.len() >= known.sweep_at {
            known.gates.retain(|_, gate| Arc::strong_count(gate) > 1);
            known.sweep_at = MANY.max(known.gates.len() * 2);
        }
        let gate = known.gates.entry(destination).or_insert_with(|| {
            let pool = pool.map_or_else(|| Pool::new(self.attempts, false), Arc::clone);
            Gate::new(pool, self.seats)
        });
        Arc::clone(gate)
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::address::Address;
    use countersign_domain::sid::AccountSid;
    use countersign_domain::text::AppId;

    use super::*;

    fn of_service(service: u8) -> Target {
        Target { service: ServiceSid::from_bytes([service; 16]), ..target(Platform::Stream, 0) }
    }

    fn streams(places: usize, waiting: usize) -> Gates {
        Gates::new(&Options { stream_attempts: places, waiting, ..Options::default() })
    }

    /// As many passes as a service gets.
    fn all_of(gates: &Gates, service: u8) -> Vec<Pass> {
        let gate = gates.to(&of_service(service));
        std::iter::from_fn(|| gate.try_pass()).collect()
    }

    #[tokio::test]
    async fn a_service_on_the_stream_leaves_as_many_places_as_it_takes() {
        let gates = streams(10_000, 1);
        let mute = all_of(&gates, 1);
        assert_eq!(mute.len(), 5_000);
        let crowd: Vec<_> = (2..12).map(|service| all_of(&gates, service)).collect();
        let halves: Vec<_> = crowd.iter().map(Vec::len).collect();
        assert_eq!(halves, [2_500, 1_250, 625, 313, 156, 78, 39, 20, 10, 5]);
        assert!(gates.to(&of_service(1)).try_pass().is_none(), "the first has had its share");
        drop(mute);
        assert_eq!(all_of(&gates, 1).len(), 2_502, "half of what was free");
    }

    #[tokio::test]
    async fn who_waits_is_let_in_by_whoever_leaves() {
        let gates = streams(4, 8);
        let (mut one, two) = (all_of(&gates, 1), all_of(&gates, 2));
        let three = all_of(&gates, 3);
        assert_eq!((one.len(), two.len(), three.len()), (2, 1, 1));
        let wait = |service| {
            let gate = gates.to(&of_service(service));
            tokio::spawn(async move { gate.wait().await.ok() })
        };
        let (again, newcomer) = (wait(1), wait(4));
        let is_waiting = |service| lock(&gates.to(&of_service(service)).line).is_listed;
        while !is_waiting(1) || !is_waiting(4) {
            tokio::task::yield_now().await;
        }
        drop(three);
        let pass = newcomer.await.expect("no panic");
        assert!(pass.is_some() && !again.is_finished(), "the one with fewer comes first");
        one.clear();
        assert!(again.await.expect("no panic").is_some());
        drop((two, pass));
        assert_eq!(lock(&gates.stream.state).free, 4);
    }

    /// A task that waits in the line of a gate; tells whether it was let through.
    async fn in_line(gate: &Arc<Gate>) -> tokio::task::JoinHandle<bool> {
        let waits = tokio::spawn({
            let gate = Arc::clone(gate);
            async move { gate.wait().await.is_ok() }
        });
        while lock(&gate.line).waiters == 0 {
            tokio::task::yield_now().await;
        }
        waits
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_line() {
        let gates = streams(1, 8);
        let gate = gates.to(&of_service(1));
        let pass = gate.try_pass().expect("free");
        let waits = in_line(&gate).await;
        waits.abort();
        let _ = waits.await;
        drop(pass);
        assert!(gate.try_pass().is_some() && lock(&gates.stream.state).waiting.is_empty());
    }

    fn target(platform: Platform, credential: u8) -> Target {
        Target {
            account: AccountSid::from_bytes([1; 16]),
            service: ServiceSid::from_bytes([2; 16]),
            address: Address::from_stored(platform, None),
            app_id: AppId::parse("com.example.app").expect("an app id"),
            credential: Some(CredentialSid::from_bytes([credential; 16])),
        }
    }

    fn gates() -> Gates {
        Gates::new(&Options {
            stream_attempts: 1,
            credential_attempts: 2,
            waiting: 1,
            ..Options::default()
        })
    }

    #[tokio::test]
    async fn one_credential_does_not_take_another_ones_turn() {
        let gates = gates();
        let busy = gates.to(&target(Platform::Fcm, 3));
        let (one, _two) = (busy.try_pass().expect("free"), busy.try_pass().expect("free"));
        assert!(gates.to(&target(Platform::Fcm, 3)).try_pass().is_none());
        assert!(gates.to(&target(Platform::Fcm, 4)).try_pass().is_some());
        assert!(gates.to(&target(Platform::Apn, 3)).try_pass().is_some());
        drop(one);
        assert!(gates.to(&target(Platform::Fcm, 3)).try_pass().is_some());

        let of = |service| Target {
            service: ServiceSid::from_bytes([service; 16]),
            credential: None,
            ..target(Platform::WebPush, 0)
        };
        let busy = (gates.to(&of(1)).try_pass(), gates.to(&of(1)).try_pass());
        assert!(busy.1.is_some() && gates.to(&of(1)).try_pass().is_none());
        assert!(gates.to(&of(2)).try_pass().is_some());
    }

    #[tokio::test]
    async fn so_many_wait_and_no_more() {
        let gate = gates().to(&target(Platform::Stream, 3));
        let pass = gate.try_pass().expect("free");
        let waits = in_line(&gate).await;
        assert!(gate.wait().await.is_err());
        drop(pass);
        assert!(waits.await.expect("no panic"));
    }

    #[tokio::test]
    async fn destinations_nobody_goes_to_are_forgotten() {
        let gates = gates();
        for n in 0..u16::try_from(MANY * 2).expect("small") {
            let [high, low] = n.to_be_bytes();
            let mut target = target(Platform::Fcm, 0);
            let mut sid = [0; 16];
            (sid[0], sid[1]) = (high, low);
            target.credential = Some(CredentialSid::from_bytes(sid));
            assert!(gates.to(&target).try_pass().is_some());
        }
        assert!(lock(&gates.known).gates.len() <= MANY);
    }
}
