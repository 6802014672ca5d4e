//! Offers a device that has connected what is parked for it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_domain::delivery::{Lease, Outcome};
use countersign_domain::sid::FactorSid;
use countersign_store::StoreError;
use tokio::sync::Semaphore;

use crate::attempt;
use crate::metrics;
use crate::shared::Shared;

/// The most that one look leases: as many as a socket may hold unacknowledged.
const MOST: usize = 100;
/// Looks that run at once. Enough that many share a commit when all devices come back together.
const AT_ONCE: usize = 128;

/// Devices whose parked deliveries are to be looked for. No more than there are connected devices, since each is in it
/// once.
pub(crate) struct Replays {
    wanted: Mutex<HashSet<FactorSid>>,
    at_once: Semaphore,
}

impl Default for Replays {
    fn default() -> Self {
        Self { wanted: Mutex::default(), at_once: Semaphore::new(AT_ONCE) }
    }
}

impl Replays {
    fn wanted(&self) -> MutexGuard<'_, HashSet<FactorSid>> {
        // A panic while holding the lock cannot leave the set half changed.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a look made for a connected device, unless one is about to begin. Never waits.
pub(crate) fn want(shared: &Arc<Shared>, factor: FactorSid) {
    if shared.replays.wanted().insert(factor) {
        let look = look(Arc::clone(shared), factor);
        let kill = shared.kill.clone();
        shared.tasks.spawn(kill.run_until_cancelled_owned(look));
    }
}

/// Leases and begins what is parked for a device. After a full batch, looks again once it is over, unless the device
/// acknowledged none of it: such a device gets the rest when it connects again.
async fn look(shared: Arc<Shared>, factor: FactorSid) {
    let turn = shared.replays.at_once.acquire().await;
    let room = shared.room_for(MOST).await;
    // From here on a new wish is another look: this one may have read too early to see what that is about.
    shared.replays.wanted().remove(&factor);
    let Some((hold, most)) = room else {
        return;
    };
    let Some(leases) = lease(&shared, factor, most).await else {
        return;
    };
    drop(turn);
    shared.signals.add(|counts| counts.replayed += 1);
    let full = leases.len() == most;
    if leases.is_empty() {
        return;
    }
    let begun = attempt::begin(&shared, hold.share(leases));
    if full
        && let Ok(Some(outcomes)) = begun.await
        && outcomes.contains(&Outcome::Acknowledged)
    {
        want(&shared, factor);
    }
}

/// Leases, as often as it takes while the device stays: nobody else would look for what is parked.
async fn lease(shared: &Shared, factor: FactorSid, most: usize) -> Option<Vec<Lease>> {
    let mut failures = 0;
    loop {
        let now = shared.clock.now();
        let until = shared.lease_until(now);
        let leased = shared.deliveries.lease_parked(factor, shared.node, now, until, most);
        let error = match leased.await {
            Ok(leases) => return Some(leases),
            Err(error) => error,
        };
        failures += 1;
        metrics::failed("replay");
        tracing::warn!(%error, %factor, failures, "the parked deliveries of a device cannot be read now");
        if matches!(error, StoreError::Corrupt(_)) {
            return None;
        }
        shared.pause(failures).await;
        if shared.stop.is_cancelled() || !shared.bus.is_attached(factor).await {
            return None;
        }
    }
}
