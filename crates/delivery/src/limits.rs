//! Limits how many attempts run at once to one destination, so that a slow destination does not delay the others.
//!
//! A push service has a fixed number of permits for each credential. Devices on the stream share one pool of permits, of which
//! a service may hold no more than are still free: half of all if it is alone, beside others as much as each of them. A
//! service that has just begun always finds some.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_domain::address::Platform;
use countersign_domain::prospect::Target;
use countersign_domain::sid::{CredentialSid, ServiceSid};
use tokio::sync::{Notify, Semaphore};

#[cfg(test)]
mod tests;

/// Destinations without attempts are removed when there are this many, and then whenever their number has doubled.
const SWEEP_AT_LEAST: usize = 1_024;

/// Attempts with one credential share a limit. Where no credential is needed, those of one service do, so that no tenant
/// delays another.
#[derive(PartialEq, Eq, Hash)]
enum Destination {
    Credential(Platform, CredentialSid),
    Service(Platform, ServiceSid),
}

/// The limits of all destinations.
pub(crate) struct AttemptLimits {
    stream: Arc<Pool>,
    known: Mutex<Known>,
    permits_per_destination: usize,
    waiting_per_destination: usize,
}

struct Known {
    limits: HashMap<Destination, Arc<AttemptLimit>>,
    /// At this number of limits, those that are not in use are removed.
    sweep_at: usize,
}

/// Permits for attempts.
struct Pool {
    /// Whether several limits share the pool. Each may then hold no more permits than are free.
    is_shared: bool,
    state: Mutex<PoolState>,
}

struct PoolState {
    free: usize,
    /// The limits with waiting tasks, each once, in the order in which they are woken.
    waiting: VecDeque<Arc<AttemptLimit>>,
}

/// The limit of one destination, with a bounded queue of waiting tasks.
pub(crate) struct AttemptLimit {
    pool: Arc<Pool>,
    usage: Mutex<Usage>,
    queue: Semaphore,
    freed: Notify,
}

/// Locked after the pool's state.
#[derive(Default)]
struct Usage {
    held: usize,
    waiters: usize,
    /// Whether the limit is in [`PoolState::waiting`].
    is_listed: bool,
}

/// The right to make one attempt. Dropping it wakes the next waiting task.
pub(crate) struct AttemptPermit(Arc<AttemptLimit>);

/// A task that waits for a permit.
struct Waiter<'a>(&'a AttemptLimit);

/// Too many tasks wait for a permit of the destination.
pub(crate) struct QueueFull;

impl AttemptLimits {
    /// `stream` permits for the stream, and for each other destination `permits_per_destination`. Up to
    /// `waiting_per_destination` tasks may wait for a permit of one destination.
    pub(crate) fn new(
        stream: usize,
        permits_per_destination: usize,
        waiting_per_destination: usize,
    ) -> Self {
        Self {
            stream: Pool::new(stream, true),
            known: Mutex::new(Known { limits: HashMap::new(), sweep_at: SWEEP_AT_LEAST }),
            permits_per_destination,
            waiting_per_destination,
        }
    }

    /// The limit of a target's destination.
    pub(crate) fn of(&self, target: &Target) -> Arc<AttemptLimit> {
        let platform = target.address.platform();
        let (destination, pool) = match (platform, target.credential) {
            (Platform::Stream, _) => {
                (Destination::Service(platform, target.service), Some(&self.stream))
            }
            (_, Some(credential)) => (Destination::Credential(platform, credential), None),
            (_, None) => (Destination::Service(platform, target.service), None),
        };
        let mut known = lock(&self.known);
        if known.limits.len() >= known.sweep_at {
            known.limits.retain(|_, limit| Arc::strong_count(limit) > 1);
            known.sweep_at = SWEEP_AT_LEAST.max(known.limits.len() * 2);
        }
        let limit = known.limits.entry(destination).or_insert_with(|| {
            let pool =
                pool.map_or_else(|| Pool::new(self.permits_per_destination, false), Arc::clone);
            AttemptLimit::new(pool, self.waiting_per_destination)
        });
        Arc::clone(limit)
    }
}

impl AttemptLimit {
    fn new(pool: Arc<Pool>, waiting: usize) -> Arc<Self> {
        let queue = Semaphore::new(waiting.min(Semaphore::MAX_PERMITS));
        Arc::new(Self { pool, usage: Mutex::default(), queue, freed: Notify::new() })
    }

    /// A permit, if one is free and no task waits for it.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<AttemptPermit> {
        let mut pool = lock(&self.pool.state);
        let mut usage = lock(&self.usage);
        if usage.waiters > 0 { None } else { self.take(&mut pool, &mut usage) }
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// Too many tasks wait already.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<AttemptPermit, QueueFull> {
        let _queued = self.queue.try_acquire().map_err(|_| QueueFull)?;
        lock(&self.usage).waiters += 1;
        let _waiter = Waiter(self);
        loop {
            if let Some(permit) = self.take_or_list() {
                return Ok(permit);
            }
            self.freed.notified().await;
        }
    }

    fn take(self: &Arc<Self>, pool: &mut PoolState, usage: &mut Usage) -> Option<AttemptPermit> {
        if pool.free <= self.pool.reserve(usage) {
            return None;
        }
        pool.free -= 1;
        usage.held += 1;
        Some(AttemptPermit(Arc::clone(self)))
    }

    /// Takes a permit, or lists the limit among those to be woken.
    fn take_or_list(self: &Arc<Self>) -> Option<AttemptPermit> {
        let mut pool = lock(&self.pool.state);
        let mut usage = lock(&self.usage);
        let permit = self.take(&mut pool, &mut usage);
        if permit.is_none() && !std::mem::replace(&mut usage.is_listed, true) {
            pool.waiting.push_back(Arc::clone(self));
        }
        permit
    }
}

impl Pool {
    fn new(permits: usize, is_shared: bool) -> Arc<Self> {
        let state = PoolState { free: permits.max(1), waiting: VecDeque::new() };
        Arc::new(Self { is_shared, state: Mutex::new(state) })
    }

    /// Wakes one waiting task whose limit may take a permit, beginning with the limit that was woken the longest ago.
    fn wake(&self, pool: &mut PoolState) {
        for _ in 0..pool.waiting.len() {
            let Some(next) = pool.waiting.pop_front() else { return };
            let mut usage = lock(&next.usage);
            usage.is_listed = usage.waiters > 0;
            let is_woken = usage.is_listed && pool.free > self.reserve(&usage);
            if is_woken {
                next.freed.notify_one();
            }
            if usage.is_listed {
                drop(usage);
                pool.waiting.push_back(next);
            }
            if is_woken {
                return;
            }
        }
    }

    /// The number of permits that a limit must leave free for others.
    fn reserve(&self, usage: &Usage) -> usize {
        if self.is_shared { usage.held } else { 0 }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut pool = lock(&self.0.pool.state);
        lock(&self.0.usage).waiters -= 1;
        // This task may have been woken and ended before it took its permit.
        self.0.pool.wake(&mut pool);
    }
}

impl Drop for AttemptPermit {
    fn drop(&mut self) {
        let limit = &self.0;
        let mut pool = lock(&limit.pool.state);
        pool.free += 1;
        lock(&limit.usage).held -= 1;
        limit.pool.wake(&mut pool);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while holding the lock cannot leave a value half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
