//! What goes wrong in a run: which kinds of faults, how often, and until when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::dice::Dice;

/// The sizes of a run and its faults, drawn from its seed. Shares are of 1,000.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Processes. One alone uses the bus within a process, as with SQLite.
    pub(crate) nodes: usize,
    /// Persons, each with a device.
    pub(crate) persons: usize,
    /// Commands and messages that take long.
    pub(crate) slow: u64,
    /// Commands that are refused before they are carried out.
    pub(crate) refused: u64,
    /// Commands that are committed and reported as failed.
    pub(crate) forgotten: u64,
    /// Messages between nodes that are lost.
    pub(crate) lost: u64,
    /// Messages between nodes that come twice.
    pub(crate) doubled: u64,
    /// Whether processes are killed and started again.
    pub(crate) crashes: bool,
    /// Whether processes are held for a while.
    pub(crate) pauses: bool,
    /// Whether nodes lose the bus for a while.
    pub(crate) partitions: bool,
    /// Whether the database cannot be reached for a while.
    pub(crate) outages: bool,
    /// By how many microseconds the clocks of nodes differ at most.
    pub(crate) clocks_apart: u64,
    /// Pushes that the push service rejects for now, answers slowly, or takes without saying so.
    pub(crate) bad_pushes: u64,
    /// Callers that do not wait for the response.
    pub(crate) hang_ups: u64,
}

impl Plan {
    /// Draws a plan. Each kind of fault is there in about half of all runs, so that the kinds are met alone and together.
    pub(crate) fn draw(dice: &Dice) -> Self {
        let share = |most| if dice.chance(500) { dice.between(1, most) } else { 0 };
        Self {
            nodes: usize::try_from(dice.between(1, 3)).unwrap_or(1),
            persons: usize::try_from(dice.between(3, 8)).unwrap_or(3),
            slow: share(200),
            refused: share(40),
            forgotten: share(40),
            lost: share(150),
            doubled: share(150),
            crashes: dice.chance(500),
            pauses: dice.chance(500),
            partitions: dice.chance(500),
            outages: dice.chance(300),
            clocks_apart: share(400) * 1_000,
            bad_pushes: share(500),
            hang_ups: share(200),
        }
    }
}

/// The plan of a run, and whether its faults still happen. Clones are the same weather.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    /// The plan.
    pub(crate) plan: Arc<Plan>,
    is_calm: Arc<AtomicBool>,
    is_outage: Arc<AtomicBool>,
    dice: Dice,
}

impl Weather {
    /// The weather of a run; its faults begin at once.
    pub(crate) fn new(plan: Plan, dice: Dice) -> Self {
        let (is_calm, is_outage) = (Arc::default(), Arc::default());
        Self { plan: Arc::new(plan), is_calm, is_outage, dice }
    }

    /// Ends all faults, or lets them begin.
    pub(crate) fn set_calm(&self, is_calm: bool) {
        self.is_calm.store(is_calm, Ordering::SeqCst);
    }

    /// Whether the faults have ended.
    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::SeqCst)
    }

    /// Takes the database away from all nodes, or gives it back.
    pub(crate) fn set_outage(&self, is_outage: bool) {
        self.is_outage.store(is_outage, Ordering::SeqCst);
    }

    /// Whether the database cannot be reached.
    pub(crate) fn is_outage(&self) -> bool {
        self.is_outage.load(Ordering::SeqCst)
    }

    /// Whether a fault happens now that has this share.
    pub(crate) fn strikes(&self, per_mille: u64) -> bool {
        per_mille > 0 && !self.is_calm() && self.dice.chance(per_mille)
    }

    /// Waits as long as a command or a message takes: usually no time, sometimes milliseconds, rarely seconds. In calm weather some
    /// take a few milliseconds, too.
    pub(crate) async fn travel(&self) {
        if self.plan.slow == 0 || !self.dice.chance(self.plan.slow) {
            return;
        }
        let span = match (self.is_calm(), self.dice.below(20)) {
            (true, _) => self.dice.millis(1, 6),
            (false, 0) => self.dice.millis(200, 4_000),
            (false, _) => self.dice.millis(1, 60),
        };
        tokio::time::sleep(span).await;
    }
}
