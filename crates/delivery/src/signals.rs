//! Counts of what the engine has done, which tests await. In production nothing listens, and a count costs one addition.

use tokio::sync::watch;

/// How often each event has happened since the engine started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pieces of work taken from the queue and begun.
    pub taken: u64,
    /// Deliveries begun: handed over, leased when due, or leased for a device that connected.
    pub begun: u64,
    /// Pushes handed to a provider.
    pub attempted: u64,
    /// Prompts marked as written to a stream and not yet acknowledged.
    pub written: u64,
    /// Deliveries whose result is committed.
    pub settled: u64,
    /// Results that came after the lease was lost.
    pub lost: u64,
    /// Batches of results that the database rejected.
    pub refused: u64,
    /// Replays: reads of the parked deliveries of a device.
    pub replayed: u64,
    /// Rounds of replays for all devices that this process holds.
    pub rounds: u64,
    /// Polls for due deliveries.
    pub polled: u64,
    /// Deliveries that the expirer ended.
    pub expired: u64,
    /// Sweeps of the expirer that left nothing.
    pub expirer_sweeps: u64,
    /// Deliveries that the rescuer made due.
    pub rescued: u64,
    /// Sweeps of the rescuer that left nothing.
    pub rescuer_sweeps: u64,
    /// Leases of earlier runs that were voided.
    pub voided: u64,
    /// Sweeps of the voider that left nothing: one, after which it ends.
    pub voider_sweeps: u64,
    /// Polls for due webhook calls.
    pub polled_calls: u64,
    /// Webhook calls whose outcome is committed.
    pub called: u64,
    /// Calls of clients whose outcome is committed.
    pub told: u64,
    /// Webhook calls that were given up because too many were queued.
    pub overflowed: u64,
    /// Counts of the queued webhook calls.
    pub backlogs: u64,
    /// Rows that the cleaner removed.
    pub cleaned: u64,
    /// Sweeps of the cleaner that left nothing.
    pub cleaner_sweeps: u64,
    /// Sweeps of the summarizer that left nothing.
    pub summarizer_sweeps: u64,
    /// Facts that the integrator read.
    pub integrated: u64,
    /// Sweeps of the integrator that left nothing: the checkpoint holds everything before.
    pub integrator_sweeps: u64,
}

/// The counts of one engine.
#[derive(Debug)]
pub struct Signals(watch::Sender<Counts>);

impl Default for Signals {
    fn default() -> Self {
        Self(watch::Sender::new(Counts::default()))
    }
}

impl Signals {
    /// The present counts.
    pub fn counts(&self) -> Counts {
        *self.0.borrow()
    }

    /// Waits until the counts are `enough`, and returns them.
    pub async fn wait_for(&self, enough: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.0.subscribe();
        // The sender lives as long as `self`.
        counts.wait_for(enough).await.map(|counts| *counts).unwrap_or_default()
    }

    pub(crate) fn add(&self, what: impl FnOnce(&mut Counts)) {
        self.0.send_modify(what);
    }
}
