//! Moves the clock from one thing that falls due to the next, and has each done before the clock goes on. So retries, expiries and
//! webhooks happen at once and in their order.

use std::pin::pin;
use std::time::Duration;

use countersign_delivery::{Counts, Engine};
use countersign_domain::time::Instant;
use countersign_domain::world::Clock as _;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Backchannel as _, Calls as _, Deliveries as _, Upkeep as _};

use super::mode::TestMode;

/// Rows that one sweep ends at most.
const BATCH: usize = 500;
/// How long a task whose device does not respond is waited for; then it waits for the clock alone, and the clock goes on.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same, for tasks that this advance has waited for before.
const PATIENCE_AGAIN: Duration = Duration::from_millis(10);

/// How far the engine is.
type Progress = [u64; 8];

/// An advance in progress.
struct Advance<'a> {
    mode: &'a TestMode,
    engine: &'a Engine,
    /// The progress at which the tasks in flight were found to wait for the clock alone.
    waits_at: Option<Progress>,
}

impl TestMode {
    /// Moves the clock to `to`, and returns when all that falls due until then has been done. The clock stands meanwhile, and is left
    /// standing. Dropped, it leaves the clock where it is.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub(crate) async fn advance(&self, engine: &Engine, to: Instant) -> StoreResult<()> {
        self.clock.freeze();
        let mut advance = Advance { mode: self, engine, waits_at: None };
        loop {
            advance.settle().await?;
            let now = self.clock.now();
            if now >= to {
                return Ok(());
            }
            let next = advance.next(now).await?;
            self.clock.move_to(next.map_or(to, |at| at.min(to)));
            advance.sweep().await?;
        }
    }
}

impl Advance<'_> {
    /// Waits until everything that is due has been done, but what waits for the clock.
    async fn settle(&mut self) -> StoreResult<()> {
        let mut idle = pin!(self.engine.idle());
        loop {
            let before = progress(self.engine.signals().counts());
            let is_known = self.waits_at == Some(before);
            let patience = if is_known { PATIENCE_AGAIN } else { PATIENCE };
            tokio::select! {
                biased;
                () = &mut idle => {
                    if !self.mode.outside.is_busy() {
                        return Ok(());
                    }
                    // Held calls are not the engine's any more, and nothing else is due that could overtake them.
                    self.mode.held_calls.release();
                    self.mode.outside.quiet().await;
                    idle.set(self.engine.idle());
                    continue;
                }
                () = tokio::time::sleep(patience) => {}
            }
            if self.waits_for_the_clock(before) {
                // A commit that takes its time is no wait for the clock: everything that is queued is written first.
                self.mode.store.check().await?;
                if !is_known {
                    tokio::time::sleep(PATIENCE_AGAIN).await;
                }
                if self.waits_for_the_clock(before) {
                    self.waits_at = Some(before);
                    return Ok(());
                }
            }
        }
    }

    /// Whether something is in flight that nobody outside has to respond to, without progress since `before`.
    fn waits_for_the_clock(&self, before: Progress) -> bool {
        let is_still = progress(self.engine.signals().counts()) == before;
        is_still && !self.mode.outside.is_busy() && self.engine.in_flight() > 0
    }

    /// The next instant at which something falls due; `None` if nothing is left.
    async fn next(&self, now: Instant) -> StoreResult<Option<Instant>> {
        let store = &self.mode.store;
        let due = [
            store.next_due().await?,
            store.next_deadline()?,
            store.next_call(now).await?,
            store.next_backchannel_call().await?,
        ];
        let (overdue, later): (Vec<_>, Vec<_>) =
            due.into_iter().flatten().partition(|at| *at <= now);
        // Overdue work and attempts in flight wait for a task that sleeps until the next alarm.
        let is_waiting = !overdue.is_empty() || self.engine.in_flight() > 0;
        let alarm = if is_waiting { self.mode.clock.next_alarm() } else { None };
        Ok(later.into_iter().chain(alarm).min())
    }

    /// Ends what is overdue, and returns what a lease has left.
    async fn sweep(&self) -> StoreResult<()> {
        let (store, now) = (&self.mode.store, self.mode.clock.now());
        while store.expire(now, BATCH).await? == BATCH {}
        while store.rescue(now, BATCH).await? == BATCH {}
        Ok(())
    }
}

/// The counts of what moves work on. Polls and sweeps go on while nothing happens.
const fn progress(counts: Counts) -> Progress {
    [
        counts.taken,
        counts.begun,
        counts.attempted,
        counts.settled,
        counts.lost,
        counts.replayed,
        counts.called,
        counts.told,
    ]
}
