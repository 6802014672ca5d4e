//! Holds a process, and ends it.
//!
//! Everything that a process does passes a seam sooner or later: it sleeps, calls its database, its bus or a push service. There its gate
//! holds it while it is paused, and for ever once it is dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

const RUNNING: u8 = 0;
const PAUSED: u8 = 1;
const DEAD: u8 = 2;

/// The gate of one process. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<Inner>);

/// `Notify` wakes in the order of arrival; the tasks that wait for a `watch` are woken in a random one.
#[derive(Debug, Default)]
struct Inner {
    state: AtomicU8,
    changed: Notify,
}

impl Gate {
    /// Whether the process runs.
    pub(crate) fn is_running(&self) -> bool {
        self.state() == RUNNING
    }

    /// Whether the process has ended.
    pub(crate) fn is_dead(&self) -> bool {
        self.state() == DEAD
    }

    /// Waits while the process is paused. Never returns once it is dead.
    pub(crate) async fn pass(&self) {
        if !self.is_alive().await {
            std::future::pending::<()>().await;
        }
    }

    /// Waits while the process is paused; returns whether it is alive.
    pub(crate) async fn is_alive(&self) -> bool {
        loop {
            let changed = self.0.changed.notified();
            match self.state() {
                RUNNING => return true,
                DEAD => return false,
                _ => changed.await,
            }
        }
    }

    /// Resolves when the process ends.
    pub(crate) async fn died(&self) {
        loop {
            let changed = self.0.changed.notified();
            if self.is_dead() {
                return;
            }
            changed.await;
        }
    }

    /// Pauses the process, or lets it go on. Changes nothing once it is dead.
    pub(crate) fn pause(&self, paused: bool) {
        let (from, to) = if paused { (RUNNING, PAUSED) } else { (PAUSED, RUNNING) };
        let _ = self.0.state.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }

    /// Ends the process.
    pub(crate) fn kill(&self) {
        self.0.state.store(DEAD, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }

    fn state(&self) -> u8 {
        self.0.state.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_paused_process_waits_and_a_dead_one_never_goes_on() {
        let gate = Gate::default();
        gate.pass().await;
        gate.pause(true);
        let mut held = Box::pin(gate.pass());
        assert!(held.as_mut().now_or_never().is_none());
        gate.pause(false);
        held.await;
        gate.kill();
        gate.pause(false);
        assert!(gate.is_dead() && !gate.is_alive().await);
        gate.died().await;
        assert!(gate.pass().now_or_never().is_none());
    }
}
