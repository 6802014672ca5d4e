//! The requests that wait in long polls: limited for each account and device, and woken by changes that their response
//! depends on.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_bus::Changed;
use countersign_domain::entity::Owner;
use countersign_domain::sid::{AccountSid, FactorSid};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::caller::Caller;

/// Waiting requests of one account, its devices included. Further requests do not wait.
pub const MAX_PER_ACCOUNT: u32 = 1_000;
/// Waiting requests of all devices of one account. The rest is reserved for its application.
pub const MAX_OF_DEVICES: u32 = 750;
/// Waiting requests of one device.
pub const MAX_PER_DEVICE: u32 = 10;
/// Changes that are queued for a waiter. A waiter that misses one reads its challenge again.
const CHANGE_QUEUE: usize = 256;

/// Counts waiting requests, and tells them of changes.
#[derive(Clone)]
pub(crate) struct Waiters {
    counts: Arc<Mutex<Counts>>,
    changes: broadcast::Sender<Changed>,
}

#[derive(Default)]
struct Counts {
    all: HashMap<AccountSid, u32>,
    of_devices: HashMap<AccountSid, u32>,
    by_device: HashMap<FactorSid, u32>,
}

/// A waiting request. Dropping it ends its count.
pub(crate) struct Waiter {
    counts: Arc<Mutex<Counts>>,
    account: AccountSid,
    device: Option<FactorSid>,
    changes: broadcast::Receiver<Changed>,
}

impl Default for Waiters {
    fn default() -> Self {
        Self { counts: Arc::default(), changes: broadcast::Sender::new(CHANGE_QUEUE) }
    }
}

impl Waiters {
    /// Counts a request that is about to wait; `None` if it may not wait.
    pub(crate) fn enter(&self, caller: &Caller) -> Option<Waiter> {
        let account = caller.account();
        let device = match caller {
            Caller::Application(_) => None,
            Caller::Device(factor) => Some(factor.sid),
            Caller::Enrolling(_) => return None,
        };
        let mut counts = lock(&self.counts);
        let is_allowed = is_below(&counts.all, &account, MAX_PER_ACCOUNT)
            && device.is_none_or(|device| {
                is_below(&counts.of_devices, &account, MAX_OF_DEVICES)
                    && is_below(&counts.by_device, &device, MAX_PER_DEVICE)
            });
        if !is_allowed {
            return None;
        }
        *counts.all.entry(account).or_default() += 1;
        if let Some(device) = device {
            *counts.of_devices.entry(account).or_default() += 1;
            *counts.by_device.entry(device).or_default() += 1;
        }
        drop(counts);
        let (counts, changes) = (Arc::clone(&self.counts), self.changes.subscribe());
        Some(Waiter { counts, account, device, changes })
    }

    /// Tells all waiting requests of a change. Does not block.
    pub(crate) fn tell(&self, changed: Changed) {
        // Fails only if no request waits.
        let _ = self.changes.send(changed);
    }
}

impl Waiter {
    /// Returns when something that the response depends on may have changed: the challenge's account, service or entity, or the
    /// waiting device.
    pub(crate) async fn changed(&mut self, owner: &Owner) {
        loop {
            let is_relevant = match self.changes.recv().await {
                Ok(Changed::Account(sid)) => sid == owner.account,
                Ok(Changed::Service(sid)) => sid == owner.service,
                Ok(Changed::Entity(sid)) => sid == owner.entity,
                Ok(Changed::Factor(sid)) => Some(sid) == self.device,
                Ok(Changed::ApiKey(_) | Changed::Credential(_) | Changed::Integration(_)) => false,
                Err(RecvError::Lagged(_)) => true,
                // The sender lives as long as the use cases, which own this future.
                Err(RecvError::Closed) => std::future::pending().await,
            };
            if is_relevant {
                return;
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        leave(&mut counts.all, &self.account);
        if let Some(device) = self.device {
            leave(&mut counts.of_devices, &self.account);
            leave(&mut counts.by_device, &device);
        }
    }
}

fn is_below<K: Hash + Eq>(counts: &HashMap<K, u32>, key: &K, most: u32) -> bool {
    counts.get(key).is_none_or(|count| *count < most)
}

fn leave<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// No code between lock and unlock can panic.
fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use countersign_domain::factor::Factor;
    use countersign_testkit::Fixtures;

    use super::*;

    fn device(make: &Fixtures, account: AccountSid) -> Caller {
        let service = make.service(&make.account());
        let mut factor: Factor = make.factor(&make.entity(&service, &make.identity()).owner);
        factor.owner.account = account;
        Caller::Device(Box::new(factor))
    }

    fn fill(waiters: &Waiters, caller: &Caller) -> Vec<Waiter> {
        std::iter::from_fn(|| waiters.enter(caller)).collect()
    }

    #[test]
    fn a_device_has_a_limit_and_some_waits_are_reserved_for_the_application() {
        let (make, waiters) = (Fixtures::new(7), Waiters::default());
        let account = make.account().sid;
        let crowd: Vec<_> = (0..80).map(|_| fill(&waiters, &device(&make, account))).collect();
        assert_eq!(crowd.iter().map(Vec::len).take(75).max(), Some(10));
        assert_eq!(crowd.iter().map(Vec::len).sum::<usize>(), 750);
        let application = Caller::Application(account);
        let own = fill(&waiters, &application);
        assert_eq!(own.len(), 250);
        assert_eq!(fill(&waiters, &Caller::Application(make.account().sid)).len(), 1_000);
        drop((crowd, own));
        assert!(lock(&waiters.counts).by_device.is_empty() && lock(&waiters.counts).all.is_empty());
        assert_eq!(fill(&waiters, &application).len(), 1_000);
    }

    #[tokio::test]
    async fn a_waiter_returns_for_changes_of_its_challenge_and_for_no_others() {
        let (make, waiters) = (Fixtures::new(7), Waiters::default());
        let caller = device(&make, make.account().sid);
        let Caller::Device(factor) = &caller else { panic!("it is a device") };
        let owner = &factor.owner;
        let other = make.service(&make.account());
        for mine in [
            Changed::Account(owner.account),
            Changed::Service(owner.service),
            Changed::Entity(owner.entity),
            Changed::Factor(factor.sid),
        ] {
            let mut waiter = waiters.enter(&caller).unwrap();
            waiters.tell(Changed::Service(other.sid));
            waiters.tell(mine);
            waiters.tell(Changed::Account(other.account));
            waiter.changed(owner).await;
            assert_eq!(waiter.changes.len(), 1, "{mine:?}");
        }
        let mut slow = waiters.enter(&caller).unwrap();
        for _ in 0..=CHANGE_QUEUE {
            waiters.tell(Changed::Service(other.sid));
        }
        slow.changed(owner).await;
    }
}
