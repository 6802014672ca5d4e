//! One delivery, from the lease to the commit of its result; and deliveries that begin together.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use countersign_bus::Leased;
use countersign_domain::address::{Address, Platform};
use countersign_domain::delivery::{Delivery, Lease};
use countersign_domain::outcome::{Attempt, Outcome, after_attempt};
use countersign_domain::settled::DeliveryEvent;
use countersign_domain::time::Instant;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::capacity::Permit;
use crate::follow_up::FollowUp;
use crate::metrics;
use crate::readiness::{Readiness, ReadinessCheck};
use crate::reconnects::Reconnects;
use crate::reports::Reports;
use crate::send::Sender;
use crate::signals::Signals;
use crate::tasks::Tasks;
use crate::timing::Timing;

/// Attempts in flight: the outcomes of those that had one; `None` if the engine was killed first.
pub(crate) type Running = JoinHandle<Option<Vec<Outcome>>>;

/// A leased delivery, and its permit.
pub(crate) struct Start {
    pub(crate) leased: Leased,
    pub(crate) permit: Permit,
}

impl Start {
    /// Divides a permit among deliveries. Permits that are left over are free again.
    pub(crate) fn each(mut permit: Permit, leases: Vec<Lease>) -> Vec<Self> {
        let start = |lease| {
            let leased = Leased { lease, known: None };
            Some(Self { leased, permit: permit.split()? })
        };
        leases.into_iter().filter_map(start).collect()
    }
}

/// Everything that an attempt needs.
pub(crate) struct AttemptContext {
    pub(crate) readiness: ReadinessCheck,
    pub(crate) sender: Sender,
    pub(crate) follow_up: FollowUp,
    pub(crate) reconnects: Arc<Reconnects>,
    pub(crate) reports: Reports,
    pub(crate) timing: Timing,
    pub(crate) signals: Arc<Signals>,
}

/// Begins attempts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Attempts {
    context: Arc<AttemptContext>,
    tasks: Tasks,
}

/// Counts a delivery in the gauge while it is in hand.
struct InHand(#[expect(dead_code, reason = "held for its drop")] Permit);

impl InHand {
    fn new(permit: Permit) -> Self {
        metrics::in_hand(true);
        Self(permit)
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        metrics::in_hand(false);
    }
}

impl Attempts {
    pub(crate) fn new(context: AttemptContext, tasks: Tasks) -> Self {
        Self { context: Arc::new(context), tasks }
    }

    /// Begins deliveries in one task: one command reads all prospects, and the pushes leave together. No delivery waits for
    /// another, and a panic ends only its own.
    pub(crate) fn begin(&self, batch: Vec<Start>) -> Running {
        self.context.signals.add(|counts| counts.begun += batch.len() as u64);
        self.tasks.spawn(Arc::clone(&self.context).run_all(batch))
    }
}

impl AttemptContext {
    async fn run_all(self: Arc<Self>, mut batch: Vec<Start>) -> Vec<Outcome> {
        self.readiness.read_all(batch.iter_mut().map(|start| &mut start.leased)).await;
        let run = |start: Start| {
            let delivery = &start.leased.lease.delivery;
            let span = tracing::debug_span!("attempt", notification = %delivery.notification, challenge = %delivery.challenge);
            AssertUnwindSafe(self.run(start).instrument(span)).catch_unwind()
        };
        let all: FuturesUnordered<_> = batch.into_iter().map(run).collect();
        all.filter_map(async |outcome| outcome.ok().flatten()).collect().await
    }

    async fn run(&self, start: Start) -> Option<Outcome> {
        let Start { leased: Leased { lease, known }, permit } = start;
        let _in_hand = InHand::new(permit);
        let (push, started, permit) = match self.readiness.check(&lease, known).await {
            Readiness::Ready { push, now, permit } => (push, now, permit),
            Readiness::Acknowledged(started) => {
                self.settle_acknowledged(lease, started).await;
                return Some(Outcome::Acknowledged);
            }
            Readiness::Ended(ending, now) => {
                self.reports.settle(lease, DeliveryEvent::Ended(ending), now).await;
                return None;
            }
            Readiness::GivenUp => return None,
        };
        let platform = push.target.address.platform();
        let in_flight = (platform == Platform::Stream).then(|| self.reconnects.begin(push.factor));
        let began = self.timing.monotonic();
        let attempt = self.sender.send(&lease, &push, started).await;
        drop(permit);

        let now = self.timing.checked_now().await;
        let outcome = attempt.outcome;
        let after = after_attempt(&lease.delivery, &attempt, now, self.timing.jitter());
        let took = self.timing.monotonic().since(began);
        measure(&lease.delivery, platform, outcome, took, now);
        let what = DeliveryEvent::Attempted {
            record: attempt.record(platform, started, took),
            after,
            forget: dead_address(&attempt, push.target.address, started),
        };
        self.reports.settle(lease, what, now).await;
        self.follow_up.after(&lease.delivery, outcome, after, in_flight.as_ref()).await;
        Some(outcome)
    }

    /// Settles a push that the device acknowledged on the stream that it holds beside its push service.
    async fn settle_acknowledged(&self, lease: Lease, started: Instant) {
        self.signals.add(|counts| counts.attempted += 1);
        let attempt = Attempt::plain(Outcome::Acknowledged, None);
        let now = self.timing.now();
        let took = now.since(started);
        measure(&lease.delivery, Platform::Stream, attempt.outcome, took, now);
        let what = DeliveryEvent::Attempted {
            record: attempt.record(Platform::Stream, started, took),
            after: after_attempt(&lease.delivery, &attempt, now, self.timing.jitter()),
            forget: None,
        };
        self.reports.settle(lease, what, now).await;
    }
}

/// The address to forget, unless it was registered again since the returned instant: the one that the push service names, but
/// never later than the start of the attempt, since no response can speak of a registration that came after it.
fn dead_address(
    attempt: &Attempt,
    address: Address,
    started: Instant,
) -> Option<(Address, Instant)> {
    match attempt.outcome {
        Outcome::Gone { since } => Some((address, since.unwrap_or(started).min(started))),
        _ => None,
    }
}

fn measure(
    delivery: &Delivery,
    platform: Platform,
    outcome: Outcome,
    took: Duration,
    now: Instant,
) {
    metrics::attempt(platform, outcome, took);
    if matches!(outcome, Outcome::Accepted | Outcome::Acknowledged) {
        metrics::taken(platform, delivery.notification, now);
    }
}
