//! Bugs that this product has had, or that others of its kind have had, put back through the seams: another implementation is handed in.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::ValueEnum;
use countersign_bus::{Attachment, Bus, Changed, Link, Offer, OfferOutcome, Watch};
use countersign_domain::delivery::Lease;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::node::NodeId;
use countersign_domain::prospect::Prospect;
use countersign_domain::settled::Settled;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Deliveries, Settlement};
use tokio::sync::watch;

/// A bug that can be put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Bug {
    /// A caller that hangs up stops the write that it asked for, after the commit and before the hand-over
    HangUpStopsWrites,
    /// Each node judges deadlines by its own machine's clock, which nothing corrects
    MachineClocks,
    /// A device tells the engine that it is there before it can be found
    ConnectedBeforeFound,
    /// A node that parks a delivery does not look for the device once more
    NoSecondLook,
    /// No node makes rounds for what was parked for its devices elsewhere
    NoRounds,
    /// An offer whose node has gone waits for twelve seconds
    LostOfferWaits,
    /// The leases of a dead node are never taken over
    NoRescue,
    /// A lease is believed to last longer than it does
    LongerLease,
    /// A result is thrown away when the database does not take it at once
    ResultsDropped,
}

impl Bug {
    /// The deliveries of a store, with this bug.
    pub fn in_deliveries(
        bug: Option<Self>,
        inner: Arc<dyn Deliveries + Send + Sync>,
    ) -> Arc<dyn Deliveries + Send + Sync> {
        let has = |it| bug == Some(it);
        let is_here = [Self::NoRescue, Self::LongerLease, Self::ResultsDropped];
        match bug.filter(|bug| is_here.contains(bug)) {
            Some(_) => Arc::new(BuggyDeliveries {
                inner,
                no_rescue: has(Self::NoRescue),
                longer_lease: has(Self::LongerLease),
                drops_results: has(Self::ResultsDropped),
            }),
            None => inner,
        }
    }

    /// A bus, with this bug.
    pub fn in_bus(bug: Option<Self>, inner: Arc<dyn Bus>) -> Arc<dyn Bus> {
        if bug == Some(Self::NoSecondLook) { Arc::new(BlindBus(inner)) } else { inner }
    }
}

struct BuggyDeliveries {
    inner: Arc<dyn Deliveries + Send + Sync>,
    no_rescue: bool,
    longer_lease: bool,
    drops_results: bool,
}

impl BuggyDeliveries {
    fn leased(&self, mut leases: Vec<Lease>) -> Vec<Lease> {
        if self.longer_lease {
            leases.iter_mut().for_each(|lease| lease.until = lease.until + Duration::from_secs(20));
        }
        leases
    }
}

#[async_trait]
impl Deliveries for BuggyDeliveries {
    async fn lease_due(
        &self,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> StoreResult<Vec<Lease>> {
        Ok(self.leased(self.inner.lease_due(node, now, until, most).await?))
    }

    async fn lease_parked(
        &self,
        factor: FactorSid,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> StoreResult<Vec<Lease>> {
        Ok(self.leased(self.inner.lease_parked(factor, node, now, until, most).await?))
    }

    async fn next_due(&self) -> StoreResult<Option<Instant>> {
        self.inner.next_due().await
    }

    async fn prospects(&self, leases: &[Lease]) -> StoreResult<Vec<Prospect>> {
        self.inner.prospects(leases).await
    }

    async fn settle(&self, settled: &[Settled]) -> StoreResult<Settlement> {
        let result = self.inner.settle(settled).await;
        if self.drops_results { Ok(result.unwrap_or_default()) } else { result }
    }

    async fn expire(&self, now: Instant, most: usize) -> StoreResult<usize> {
        self.inner.expire(now, most).await
    }

    async fn rescue(&self, now: Instant, most: usize) -> StoreResult<usize> {
        if self.no_rescue { Ok(0) } else { self.inner.rescue(now, most).await }
    }

    async fn void_leases(&self, node: NodeId, now: Instant, most: usize) -> StoreResult<usize> {
        if self.no_rescue { Ok(0) } else { self.inner.void_leases(node, now, most).await }
    }
}

/// A bus on which nobody ever finds a device by looking.
struct BlindBus(Arc<dyn Bus>);

#[async_trait]
impl Bus for BlindBus {
    async fn offer(&self, offer: Offer) -> OfferOutcome {
        self.0.offer(offer).await
    }

    async fn is_attached(&self, _: FactorSid) -> bool {
        false
    }

    async fn attach(&self, factor: FactorSid, now: Monotonic) -> Option<Attachment> {
        self.0.attach(factor, now).await
    }

    async fn dismiss(&self, factor: FactorSid) {
        self.0.dismiss(factor).await;
    }

    async fn answered_elsewhere(&self, factor: FactorSid, challenge: ChallengeSid) {
        self.0.answered_elsewhere(factor, challenge).await;
    }

    async fn watch(&self, challenge: ChallengeSid) -> Watch {
        self.0.watch(challenge).await
    }

    async fn challenge_changed(&self, challenge: ChallengeSid) {
        self.0.challenge_changed(challenge).await;
    }

    async fn announce(&self, changed: Changed) {
        self.0.announce(changed).await;
    }

    fn listen(&self, listener: Box<dyn Fn(Changed) + Send + Sync>) {
        self.0.listen(listener);
    }

    fn held(&self) -> Vec<FactorSid> {
        self.0.held()
    }

    fn link(&self) -> Option<watch::Receiver<Link>> {
        self.0.link()
    }

    async fn flush(&self) {
        self.0.flush().await;
    }
}
