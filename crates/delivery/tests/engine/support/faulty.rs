//! A database that a test can make unavailable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use countersign_domain::delivery::Lease;
use countersign_domain::node::NodeId;
use countersign_domain::prospect::Prospect;
use countersign_domain::settled::Settled;
use countersign_domain::sid::FactorSid;
use countersign_domain::time::Instant;
use countersign_store::StoreError;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Deliveries, Retention, Settlement, Upkeep};
use countersign_store_sqlite::SqliteStore;

/// A store that fails while `down` is set, and counts its calls.
pub(crate) struct Faulty {
    pub(crate) inner: Arc<SqliteStore>,
    pub(crate) down: Arc<AtomicBool>,
    pub(crate) asked: Arc<AtomicU64>,
}

impl Faulty {
    fn up(&self) -> StoreResult<&SqliteStore> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            Err(StoreError::Unavailable("unplugged".to_owned()))
        } else {
            Ok(&self.inner)
        }
    }
}

#[async_trait]
impl Deliveries for Faulty {
    async fn lease_due(
        &self,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> StoreResult<Vec<Lease>> {
        self.up()?.lease_due(node, now, until, most).await
    }
    async fn lease_parked(
        &self,
        factor: FactorSid,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> StoreResult<Vec<Lease>> {
        self.up()?.lease_parked(factor, node, now, until, most).await
    }
    async fn next_due(&self) -> StoreResult<Option<Instant>> {
        self.up()?.next_due().await
    }
    async fn prospects(&self, leases: &[Lease]) -> StoreResult<Vec<Prospect>> {
        self.up()?.prospects(leases).await
    }
    async fn settle(&self, settled: &[Settled]) -> StoreResult<Settlement> {
        self.up()?.settle(settled).await
    }
    async fn expire(&self, now: Instant, most: usize) -> StoreResult<usize> {
        self.up()?.expire(now, most).await
    }
    async fn rescue(&self, now: Instant, most: usize) -> StoreResult<usize> {
        self.up()?.rescue(now, most).await
    }
    async fn void_leases(&self, node: NodeId, now: Instant, most: usize) -> StoreResult<usize> {
        self.up()?.void_leases(node, now, most).await
    }
}

#[async_trait]
impl Upkeep for Faulty {
    async fn clean(&self, now: Instant, retention: Retention, most: usize) -> StoreResult<usize> {
        self.up()?.clean(now, retention, most).await
    }
    async fn check(&self) -> StoreResult<()> {
        self.up()?.check().await
    }
    async fn key_check(&self, value: [u8; 32]) -> StoreResult<[u8; 32]> {
        self.up()?.key_check(value).await
    }
}
