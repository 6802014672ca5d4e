//! The calls of webhooks.

use async_trait::async_trait;
use countersign_domain::call_permits::{CallConcurrency, PermitPool};
use countersign_domain::call_queue::QueueLimits;
use countersign_domain::node::NodeId;
use countersign_domain::sid::WebhookSid;
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::{AfterCall, CallFailure, CallLease, FailingWebhook};

use crate::error::StoreResult;

/// The most webhooks with waiting calls that one look for calls visits.
pub const WEBHOOKS_PER_LOOK: usize = 512;

/// A node's request for calls to make.
#[derive(Debug, Clone)]
pub struct CallsWanted {
    /// The node.
    pub node: NodeId,
    /// The present instant.
    pub now: Instant,
    /// The end of the leases.
    pub until: Instant,
    /// The permits that the node has for calls.
    pub permits: PermitPool,
    /// How many calls of each webhook may be in flight, on all nodes together.
    pub concurrency: CallConcurrency,
    /// The webhook that was served last.
    pub turn: WebhookSid,
}

/// The calls that a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallsFound {
    /// The calls that the node makes.
    pub leases: Vec<CallLease>,
    /// The webhook that was served last: the next look begins behind it.
    pub turn: WebhookSid,
    /// Whether another look at once may find more.
    pub more: bool,
}

/// The calls that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// How many calls wait or are being made.
    pub queued: u64,
    /// The time of the event of the oldest of them.
    pub oldest: Option<Instant>,
    /// How many calls were given up by this command, because too many waited.
    pub given_up: usize,
    /// Whether more calls must be given up.
    pub more: bool,
}

/// The calls of webhooks. They are created by the commands that cause their events: those that change factors and answer
/// challenges, [`Challenges::open_challenge`](super::challenges::Challenges::open_challenge) (which has the challenge looked at
/// when it expires), and those that end notifications. Of one webhook and factor only the earliest unfinished call is leased.
#[async_trait]
pub trait Calls {
    /// Leases calls that are due. [`PermitPool::assign`] shares the permits among the webhooks that wait, in the order of their
    /// SIDs, from the last turn on and around. No webhook has more calls leased on all nodes together than its limit allows.
    ///
    /// First makes due the calls whose lease has run out, and creates calls for the challenges that expired. Ends the calls of a
    /// webhook that is deleted, disabled or not subscribed, and gives up those whose deadline has passed.
    async fn lease_calls(&self, wanted: &CallsWanted) -> StoreResult<CallsFound>;
    /// Returns when the next look can find something: `now` if a call may be due, otherwise the next wake-up time, if any.
    async fn next_call(&self, now: Instant) -> StoreResult<Option<Instant>>;
    /// Counts the calls that wait, and gives up the oldest calls of webhooks and accounts that have too many, a bounded number
    /// at a time. Keeps [`KEPT`](countersign_domain::webhook_call::KEPT) given-up calls of each webhook.
    async fn trim_calls(&self, limits: QueueLimits, now: Instant) -> StoreResult<Backlog>;
    /// Writes the outcome of a leased call. Returns `false`, and writes nothing, if the lease was lost. `failure` describes a
    /// failed try. A call that was taken is kept as long as the challenge that it tells of; one that tells of no challenge is
    /// removed.
    async fn settle_call(
        &self,
        lease: &CallLease,
        after: AfterCall,
        failure: CallFailure,
        at: Instant,
    ) -> StoreResult<bool>;
    /// Makes due at `now` up to `most` calls leased by nodes other than `node`. Returns how many. For a database that no other
    /// node can be using.
    async fn void_calls(&self, node: NodeId, now: Instant, most: usize) -> StoreResult<usize>;
    /// Lists all webhooks with calls that failed at least once.
    async fn failing_webhooks(&self) -> StoreResult<Vec<FailingWebhook>>;
}
