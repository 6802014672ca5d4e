//! Makes deliveries due again whose node died, or whose lease an earlier run of this node held.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::HandOver;
use countersign_domain::node::NodeId;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Calls, Deliveries};

use crate::duty::Duty;
use crate::signals::Counts;

/// Makes deliveries due whose lease ran out before they were settled.
pub(crate) struct Rescuer {
    pub(crate) deliveries: Arc<dyn Deliveries + Send + Sync>,
    pub(crate) handover: HandOver,
    pub(crate) interval: Duration,
}

impl Duty for Rescuer {
    const NAME: &'static str = "rescuer";

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn batch(&self, now: Instant, most: usize) -> StoreResult<usize> {
        let rows = self.deliveries.rescue(now, most).await?;
        if rows > 0 {
            self.handover.wake();
        }
        Ok(rows)
    }

    fn done(&self, counts: &mut Counts, rows: usize, nothing_left: bool) {
        counts.rescued += rows as u64;
        counts.rescuer_sweeps += u64::from(nothing_left);
    }
}

/// Voids the leases of an earlier run at start, before they run out. Only for a database that no other process can be
/// using. Runs beside the other duties, so that many rows do not delay readiness.
pub(crate) struct Voider {
    pub(crate) deliveries: Arc<dyn Deliveries + Send + Sync>,
    pub(crate) calls: Arc<dyn Calls + Send + Sync>,
    pub(crate) node: NodeId,
    pub(crate) handover: HandOver,
    pub(crate) interval: Duration,
}

impl Duty for Voider {
    const NAME: &'static str = "voider";
    const ENDS: bool = true;

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn batch(&self, now: Instant, most: usize) -> StoreResult<usize> {
        let rows = self.deliveries.void_leases(self.node, now, most).await?;
        let calls = self.calls.void_calls(self.node, now, most).await?;
        if calls > 0 {
            self.handover.happened();
        }
        if rows > 0 {
            self.handover.wake();
        }
        Ok(rows.max(calls))
    }

    fn done(&self, counts: &mut Counts, rows: usize, nothing_left: bool) {
        counts.voided += rows as u64;
        counts.voider_sweeps += u64::from(nothing_left);
    }
}
