//! Returns what was leased by a node that died, or by this one in an earlier run.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::time::Instant;
use countersign_store::seam::Answer;

use crate::duty::Duty;
use crate::shared::Shared;
use crate::signals::Counts;

/// Makes due what was leased and not settled in time.
pub(crate) struct Rescuer(pub(crate) Arc<Shared>);

impl Duty for Rescuer {
    const NAME: &'static str = "rescuer";

    fn interval(&self) -> Duration {
        self.0.options.sweep
    }

    async fn batch(&self, now: Instant, most: usize) -> Answer<usize> {
        let rows = self.0.deliveries.rescue(now, most).await?;
        if rows > 0 {
            self.0.handover.wake();
        }
        Ok(rows)
    }

    fn done(&self, counts: &mut Counts, rows: usize, nothing_left: bool) {
        counts.rescued += rows as u64;
        counts.rescuer_sweeps += u64::from(nothing_left);
    }
}

/// Makes due what an earlier run had leased, without waiting for the leases to run out: at start, where no other
/// process can be using the database. Runs beside everything else, so that many rows do not delay readiness.
pub(crate) struct Voider(pub(crate) Arc<Shared>);

impl Duty for Voider {
    const NAME: &'static str = "voider";
    const ENDS: bool = true;

    fn interval(&self) -> Duration {
        self.0.options.sweep
    }

    async fn batch(&self, now: Instant, most: usize) -> Answer<usize> {
        let rows = self.0.deliveries.void_leases(self.0.node, now, most).await?;
        let calls = self.0.calls.void_calls(self.0.node, now, most).await?;
        if calls > 0 {
            self.0.handover.happened();
        }
        if rows > 0 {
            self.0.handover.wake();
        }
        Ok(rows.max(calls))
    }

    fn done(&self, counts: &mut Counts, rows: usize, nothing_left: bool) {
        counts.voided += rows as u64;
        counts.voider_sweeps += u64::from(nothing_left);
    }
}
