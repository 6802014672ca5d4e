//! Events that a test can await. In production nobody listens, and a signal costs one addition.

use tokio::sync::watch;

/// How often each thing has happened since the engine started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries taken in hand: handed over, leased when due, or leased for a device that connected.
    pub begun: u64,
    /// Pushes handed to a provider.
    pub attempted: u64,
    /// Prompts marked as written to a stream and not yet acknowledged.
    pub written: u64,
    /// Deliveries whose result is committed.
    pub settled: u64,
    /// Results that came after the lease was lost.
    pub lost: u64,
    /// Times that the database would not take a batch of results.
    pub refused: u64,
    /// Looks for the parked deliveries of a device.
    pub replayed: u64,
    /// Rounds of looks for the parked deliveries of all devices that are here.
    pub rounds: u64,
    /// Looks for what is due.
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
    /// Sweeps of the voider that left nothing: one, at the end of its duty.
    pub voider_sweeps: u64,
    /// Calls of webhooks whose result is committed.
    pub called: u64,
    /// Calls of webhooks that were given up since too many waited.
    pub overflowed: u64,
    /// Counts of the calls that wait.
    pub backlogs: u64,
    /// Rows that the cleaner removed.
    pub cleaned: u64,
    /// Sweeps of the cleaner that left nothing.
    pub cleaner_sweeps: u64,
}

/// Where the engine says what it has done.
#[derive(Debug)]
pub struct Signals(watch::Sender<Counts>);

impl Default for Signals {
    fn default() -> Self {
        Self(watch::Sender::new(Counts::default()))
    }
}

impl Signals {
    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        *self.0.borrow()
    }

    /// Waits until so much has happened.
    pub async fn wait_for(&self, enough: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.0.subscribe();
        // The sender lives as long as `self`.
        counts.wait_for(enough).await.map(|counts| *counts).unwrap_or_default()
    }

    pub(crate) fn add(&self, what: impl FnOnce(&mut Counts)) {
        self.0.send_modify(what);
    }
}
