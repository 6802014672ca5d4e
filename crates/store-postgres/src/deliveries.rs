//! Deliveries. `leases.rs` leases them, `settle.rs` writes their outcomes.

use async_trait::async_trait;
use countersign_domain::delivery::Lease;
use countersign_domain::node::NodeId;
use countersign_domain::prospect::Prospect;
use countersign_domain::settled::Settled;
use countersign_domain::sid::FactorSid;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Deliveries, Settlement};

use crate::cells::cells_of;
use crate::leases::{Expire, IS_PARKED, NEXT_DUE, Rescue, TakeLeases, VoidLeases};
use crate::params::{id, params};
use crate::statement::{exists, one};
use crate::store::PostgresStore;
use crate::{prospect, settle};

#[async_trait]
impl Deliveries for PostgresStore {
    async fn lease_due(
        &self,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> StoreResult<Vec<Lease>> {
        let parked_for = None;
        self.write(TakeLeases { parked_for, node, now, until, most }).await
    }

    async fn lease_parked(
        &self,
        factor: FactorSid,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> StoreResult<Vec<Lease>> {
        // Most devices that connect have nothing parked; then nothing is written.
        let anything = {
            let db = self.session().await?;
            exists(&db, IS_PARKED, params![id(factor.as_bytes())]).await?
        };
        if !anything {
            return Ok(Vec::new());
        }
        let parked_for = Some(factor);
        self.write(TakeLeases { parked_for, node, now, until, most }).await
    }

    async fn next_due(&self) -> StoreResult<Option<Instant>> {
        let db = self.session().await?;
        let next =
            one(&db, NEXT_DUE, &[], |row| cells_of(row, "deliveries").map(Instant::from_micros));
        Ok(next.await?)
    }

    async fn prospects(&self, leases: &[Lease]) -> StoreResult<Vec<Prospect>> {
        let db = self.session().await?;
        Ok(prospect::read(&db, leases).await?)
    }

    async fn settle(&self, settled: &[Settled]) -> StoreResult<Settlement> {
        if settled.is_empty() {
            return Ok(Settlement::default());
        }
        self.write(settle::Settle::of(settled)?).await
    }

    async fn expire(&self, now: Instant, most: usize) -> StoreResult<usize> {
        self.write(Expire(now, most)).await
    }

    async fn rescue(&self, now: Instant, most: usize) -> StoreResult<usize> {
        self.write(Rescue(now, most)).await
    }

    async fn void_leases(&self, node: NodeId, now: Instant, most: usize) -> StoreResult<usize> {
        self.write(VoidLeases(node, now, most)).await
    }
}
