//! One delivery, from the lease to the commit of what became of it; and those that begin together.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use countersign_bus::Leased;
use countersign_domain::address::{Address, Platform};
use countersign_domain::backoff;
use countersign_domain::delivery::{
    After, Attempt, Delivery, Happening, Lease, Outcome, after_attempt,
};
use countersign_domain::time::Instant;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::ready::{self, Readiness};
use crate::shared::{InHand, Shared, Start};
use crate::visits::Visit;
use crate::{metrics, replay, send};

/// Attempts on their way: the outcomes of those that had one; `None` if the engine was killed first.
pub(crate) type Running = JoinHandle<Option<Vec<Outcome>>>;

/// So long before a lease runs out its attempt is given up, so that the result is written while the lease holds.
const MARGIN: Duration = Duration::from_secs(2);
/// So long after its deadline the one attempt of a `Ttl=0` is given up. A device has as long to acknowledge.
const ONCE_MARGIN: Duration = Duration::from_secs(10);
/// An offer that found nobody is repeated at once for a device that is there after all, but only for the first few
/// attempts: a socket that is slow to end must not be asked in a tight loop.
const AT_ONCE: u32 = 3;

/// Begins with deliveries. One task drives all of them: what they must know is read at once, and what they send leaves
/// together. None waits for another, and a panic is the end of that one alone.
pub(crate) fn begin(shared: &Arc<Shared>, batch: Vec<Start>) -> Running {
    shared.signals.add(|counts| counts.begun += batch.len() as u64);
    let kill = shared.kill.clone();
    shared.tasks.spawn(kill.run_until_cancelled_owned(run_all(Arc::clone(shared), batch)))
}

async fn run_all(shared: Arc<Shared>, mut batch: Vec<Start>) -> Vec<Outcome> {
    ready::read_all(&shared, &mut batch).await;
    let run = |start: Start| {
        let delivery = &start.leased.lease.delivery;
        let span = tracing::debug_span!("attempt", notification = %delivery.notification, challenge = %delivery.challenge);
        AssertUnwindSafe(run(&shared, start).instrument(span)).catch_unwind()
    };
    let all: FuturesUnordered<_> = batch.into_iter().map(run).collect();
    all.filter_map(async |outcome| outcome.ok().flatten()).collect().await
}

/// From then on the attempt is given up, however it stands.
pub(crate) fn limit(lease: &Lease) -> Instant {
    if lease.delivery.once { lease.delivery.deadline + ONCE_MARGIN } else { lease.until - MARGIN }
}

async fn run(shared: &Arc<Shared>, start: Start) -> Option<Outcome> {
    let Start { leased: Leased { lease, known }, hold } = start;
    let _in_hand = InHand::new(hold);
    let (push, started, pass) = match ready::make(shared, &lease, known).await {
        Readiness::Ready { push, now, pass } => (push, now, pass),
        Readiness::Acknowledged(started) => {
            settle_acknowledged(shared, lease, started).await;
            return Some(Outcome::Acknowledged);
        }
        Readiness::Over(ending, now) => {
            let over = Happening::Ended(ending);
            shared.results.settle(lease, over, now).await;
            return None;
        }
        Readiness::NotOurs => return None,
    };
    let platform = push.target.address.platform();
    let visit = (platform == Platform::Stream).then(|| shared.visits.begin(push.factor));
    let began = shared.clock.monotonic();
    let attempt = send::send(shared, &lease, &push, started).await;
    drop(pass);

    let now = shared.time().await;
    let outcome = attempt.outcome;
    let after = after_attempt(&lease.delivery, &attempt, now, shared.jitter());
    let took = shared.clock.monotonic().since(began);
    measure(&lease.delivery, platform, outcome, took, now);
    let what = Happening::Attempted {
        record: attempt.record(platform, started, took),
        after,
        forget: dead_address(&attempt, push.target.address, started),
    };
    shared.results.settle(lease, what, now).await;
    match after {
        After::Done(_) => {}
        After::Retry { at } => shared.alarm.earlier(&*shared.clock, at),
        After::Park => {
            // A device that does not acknowledge must not be flooded: only if it has connected anew is it asked again.
            let may_be_there = match outcome {
                Outcome::Unacknowledged => visit.as_ref().is_some_and(Visit::was_met),
                _ => true,
            };
            if may_be_there {
                look_once_more(shared, &lease.delivery).await;
            }
        }
    }
    Some(outcome)
}

/// Writes down that the device acknowledged a push on the stream that it holds beside its push service.
async fn settle_acknowledged(shared: &Shared, lease: Lease, started: Instant) {
    shared.signals.add(|counts| counts.attempted += 1);
    let attempt = Attempt::plain(Outcome::Acknowledged, None);
    let now = shared.clock.now();
    let took = now.since(started);
    measure(&lease.delivery, Platform::Stream, attempt.outcome, took, now);
    let what = Happening::Attempted {
        record: attempt.record(Platform::Stream, started, took),
        after: after_attempt(&lease.delivery, &attempt, now, shared.jitter()),
        forget: None,
    };
    shared.results.settle(lease, what, now).await;
}

/// Whoever parks a delivery looks for the device once more after the commit. The device may have connected before that
/// and found nothing parked.
async fn look_once_more(shared: &Arc<Shared>, delivery: &Delivery) {
    if !shared.bus.is_attached(delivery.factor).await {
        return;
    }
    if delivery.attempts >= AT_ONCE {
        let pause = backoff::delay(delivery.attempts, shared.jitter());
        let pause = shared.clock.sleep(pause);
        if shared.stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
    replay::want(shared, delivery.factor);
}

/// The address to forget, unless it was registered anew since the instant that the push service names. Never later than
/// the start of the attempt: no answer can speak of a registration that it has not seen.
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
