//! Bounds the deliveries in hand, and with them the engine's memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Permits for deliveries in hand. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Capacity {
    permits: Arc<Semaphore>,
    total: usize,
    stop: CancellationToken,
}

/// The right to hold deliveries in memory, from before they are leased until their results are committed. Usually for
/// one delivery; [`Permit::split`] divides a larger one.
pub(crate) struct Permit(OwnedSemaphorePermit);

impl Capacity {
    /// Capacity for `total` deliveries. Waiting ends when `stop` is cancelled.
    pub(crate) fn new(total: usize, stop: CancellationToken) -> Self {
        Self { permits: Arc::new(Semaphore::new(total)), total, stop }
    }

    /// Waits for one permit, even while the engine stops. `None` is never returned in practice: the semaphore is not closed.
    pub(crate) async fn acquire(&self) -> Option<Permit> {
        Arc::clone(&self.permits).acquire_owned().await.ok().map(Permit)
    }

    /// One permit, if one is free.
    pub(crate) fn try_acquire(&self) -> Option<Permit> {
        Arc::clone(&self.permits).try_acquire_owned().ok().map(Permit)
    }

    /// Acquires 1 to `most` permits, waiting only for the first; returns them and their number, or `None` if the engine
    /// stops first.
    pub(crate) async fn acquire_up_to(&self, most: usize) -> Option<(Permit, usize)> {
        let mut permit = self.stop.run_until_cancelled(self.acquire()).await??;
        let more = most.min(self.permits.available_permits() + 1).saturating_sub(1);
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let Ok(rest) = Arc::clone(&self.permits).try_acquire_many_owned(more) else {
            return Some((permit, 1));
        };
        permit.0.merge(rest);
        let number = permit.0.num_permits();
        Some((permit, number))
    }

    /// The number of permits that are taken.
    pub(crate) fn in_use(&self) -> usize {
        self.total.saturating_sub(self.permits.available_permits())
    }
}

impl Permit {
    /// Splits off a permit for one delivery; `None` if nothing is left.
    pub(crate) fn split(&mut self) -> Option<Self> {
        self.0.split(1).map(Self)
    }
}
