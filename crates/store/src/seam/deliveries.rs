//! Deliveries.

use async_trait::async_trait;
use countersign_domain::delivery::Lease;
use countersign_domain::node::NodeId;
use countersign_domain::prospect::Prospect;
use countersign_domain::settled::Settled;
use countersign_domain::sid::{FactorSid, NotificationSid};
use countersign_domain::time::Instant;

use crate::error::StoreResult;

/// The result of settling deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settlement {
    /// The deliveries whose lease was lost: only their attempt is recorded.
    pub lost: Vec<NotificationSid>,
    /// Whether a webhook may have to be called because of it.
    pub may_cause_calls: bool,
}

/// Deliveries: the work of the engine.
#[async_trait]
pub trait Deliveries {
    /// Leases up to `most` deliveries that are due at `now`, those due the longest first. Skips leased ones and those whose
    /// deadline has passed.
    async fn lease_due(
        &self,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> StoreResult<Vec<Lease>>;
    /// Leases up to `most` parked deliveries of a factor: only the newest of each challenge, earliest deadline first, none
    /// whose deadline has passed at `now`.
    async fn lease_parked(
        &self,
        factor: FactorSid,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> StoreResult<Vec<Lease>>;
    /// Returns when the next delivery falls due, if one is waiting for its time.
    async fn next_due(&self) -> StoreResult<Option<Instant>>;
    /// Reads what attempts must know, in the order of the leases.
    async fn prospects(&self, leases: &[Lease]) -> StoreResult<Vec<Prospect>>;
    /// Writes the outcomes of leased deliveries. A delivery that ends `delivered` also cancels the older parked deliveries of its
    /// challenge, as superseded.
    async fn settle(&self, settled: &[Settled]) -> StoreResult<Settlement>;
    /// Ends up to `most` due or parked deliveries whose deadline has passed at `now`. Returns how many.
    async fn expire(&self, now: Instant, most: usize) -> StoreResult<usize>;
    /// Makes due up to `most` deliveries whose lease has run out at `now`. Returns how many.
    async fn rescue(&self, now: Instant, most: usize) -> StoreResult<usize>;
    /// Makes due up to `most` deliveries leased by nodes other than `node`, whether or not the lease has run out. Returns how
    /// many. For a database that no other node can be using.
    async fn void_leases(&self, node: NodeId, now: Instant, most: usize) -> StoreResult<usize>;
}
