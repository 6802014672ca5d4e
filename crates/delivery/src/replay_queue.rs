//! The queue of devices whose parked deliveries are to be leased.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_domain::sid::FactorSid;
use tokio::sync::mpsc;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::tasks::Tasks;

/// Requests replays. Each device is queued at most once, so the queue is bounded by the number of connected devices.
/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct ReplayQueue {
    queued: Arc<Mutex<HashSet<FactorSid>>>,
    sender: mpsc::UnboundedSender<Request>,
    tasks: Tasks,
}

/// The receiving end.
pub(crate) struct ReplayRequests {
    queued: Arc<Mutex<HashSet<FactorSid>>>,
    receiver: mpsc::UnboundedReceiver<Request>,
}

/// A device whose parked deliveries are to be leased.
pub(crate) struct Request {
    pub(crate) factor: FactorSid,
    /// Counts the request as a task until the replay's own task has started.
    pub(crate) token: TaskTrackerToken,
}

impl ReplayQueue {
    pub(crate) fn new(tasks: Tasks) -> (Self, ReplayRequests) {
        let queued = Arc::default();
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { queued: Arc::clone(&queued), sender, tasks }, ReplayRequests { queued, receiver })
    }

    /// Requests a replay for a device, unless one is queued. Never waits. After the engine has stopped this does nothing.
    pub(crate) fn request(&self, factor: FactorSid) {
        if lock(&self.queued).insert(factor) {
            let _ = self.sender.send(Request { factor, token: self.tasks.token() });
        }
    }
}

impl ReplayRequests {
    /// The next request. Its device stays queued until [`ReplayRequests::begin`].
    pub(crate) async fn next(&mut self) -> Option<Request> {
        self.receiver.recv().await
    }

    /// From here on a request for the device is queued again: the replay that begins now may read too early to see what
    /// the new request is about.
    pub(crate) fn begin(&self, factor: FactorSid) {
        lock(&self.queued).remove(&factor);
    }
}

fn lock(queued: &Mutex<HashSet<FactorSid>>) -> MutexGuard<'_, HashSet<FactorSid>> {
    // A panic while holding the lock cannot leave the set half changed.
    queued.lock().unwrap_or_else(PoisonError::into_inner)
}
