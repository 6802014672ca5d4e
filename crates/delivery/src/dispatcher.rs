//! Begins the deliveries that are handed over in memory, as long as there is capacity.

use std::sync::Arc;

use countersign_bus::Work;
use countersign_domain::sid::FactorSid;
use tokio::sync::mpsc;

use crate::attempt::{Attempts, Start};
use crate::capacity::Capacity;
use crate::reconnects::Reconnects;
use crate::replay_queue::ReplayQueue;
use crate::signals::Signals;
use crate::tasks::Tasks;

/// Deliveries that begin together at most.
const BATCH: usize = 64;

/// The duty that empties the queue of handed-over work.
pub(crate) struct Dispatcher {
    pub(crate) attempts: Attempts,
    pub(crate) capacity: Capacity,
    pub(crate) reconnects: Arc<Reconnects>,
    pub(crate) replays: ReplayQueue,
    pub(crate) tasks: Tasks,
    pub(crate) signals: Arc<Signals>,
}

impl Dispatcher {
    /// Takes work until the engine stops, then the rest of the queue.
    pub(crate) async fn run(self, mut work: mpsc::Receiver<Work>) {
        let mut stopping = false;
        loop {
            // Capacity first: work that cannot begin stays in the queue, and when that is full, deliveries are born due.
            let Some(permit) = self.capacity.acquire().await else {
                return;
            };
            let next = tokio::select! {
                biased;
                () = self.tasks.stop().cancelled(), if !stopping => {
                    stopping = true;
                    work.close();
                    continue;
                }
                next = work.recv() => next,
            };
            let taken = match next {
                Some(Work::Attempt(leased)) => {
                    // Lets other tasks hand over more before the batch is taken. There is no timer: this waits for nothing
                    // but the processor.
                    tokio::task::yield_now().await;
                    self.begin_batch(Start { leased: *leased, permit }, &mut work)
                }
                Some(Work::Connected(factor)) => {
                    self.connected(factor);
                    1
                }
                None => return,
            };
            self.signals.add(|counts| counts.taken += taken);
        }
    }

    /// Begins `first` and the work that is queued behind it, as far as there is capacity; returns how much was taken.
    fn begin_batch(&self, first: Start, work: &mut mpsc::Receiver<Work>) -> u64 {
        let (mut batch, mut connected) = (vec![first], 0);
        while batch.len() < BATCH
            && let Some(permit) = self.capacity.try_acquire()
            && let Ok(next) = work.try_recv()
        {
            match next {
                Work::Attempt(leased) => batch.push(Start { leased: *leased, permit }),
                Work::Connected(factor) => {
                    self.connected(factor);
                    connected += 1;
                }
            }
        }
        let taken = batch.len() as u64 + connected;
        self.attempts.begin(batch);
        taken
    }

    fn connected(&self, factor: FactorSid) {
        self.reconnects.connected(factor);
        self.replays.request(factor);
    }
}
