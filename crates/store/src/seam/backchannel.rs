//! Questions that clients ask apart from the person's browser. Each is stored with its group of challenges
//! ([`ChallengeGroups::open_group`](super::ChallengeGroups::open_group)).

use async_trait::async_trait;
use countersign_domain::backchannel::{BackchannelId, BackchannelLease, BackchannelRequest};
use countersign_domain::node::NodeId;
use countersign_domain::time::Instant;

use crate::error::StoreResult;

/// Questions that clients ask apart from the person's browser.
#[async_trait]
pub trait Backchannel {
    /// Reads a request.
    async fn backchannel_request(
        &self,
        id: BackchannelId,
    ) -> StoreResult<Option<BackchannelRequest>>;
    /// Records that the client fetches the approval, only if it has not before and `at` is before the deadline. Returns whether it is
    /// recorded.
    async fn redeem_backchannel(&self, id: BackchannelId, at: Instant) -> StoreResult<bool>;
    /// When the next client is to be called, or the next lease runs out; `None` without one.
    async fn next_backchannel_call(&self) -> StoreResult<Option<Instant>>;
    /// Leases up to `most` requests whose question has ended and whose client is to be called by `now`, until `until`; the longest due
    /// first. Includes those whose lease ran out, and those whose deadline has passed.
    async fn lease_backchannel_calls(
        &self,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> StoreResult<Vec<BackchannelLease>>;
    /// Ends a lease that is still held: the client is called again at `next`; without it never, and what it would be called with is
    /// forgotten. Returns whether the lease was held.
    async fn settle_backchannel_call(
        &self,
        lease: &BackchannelLease,
        next: Option<Instant>,
    ) -> StoreResult<bool>;
}
