//! Whether an attempt may start: see to what it must know, wait for its turn, and judge it by the clock right before.

use std::time::Duration;

use countersign_domain::delivery::{
    Delivery, Known, Lease, Prospect, Push, Target, overdue, prepare,
};
use countersign_domain::notification::Ending;
use countersign_domain::time::Instant;
use countersign_store::StoreError;

use crate::attempt;
use crate::beside::{self, Beside};
use crate::gates::{Crowded, Pass};
use crate::metrics;
use crate::shared::{Shared, Start};

/// For so long, what the command saw that stored a notification need not be read again: much less than a push takes on
/// its way, during which the challenge may be answered just as well.
const FRESH: Duration = Duration::from_millis(50);

/// What is to be done with a delivery now.
pub(crate) enum Readiness {
    /// Send this.
    Ready {
        /// The push.
        push: Box<Push>,
        /// The instant at which the deadline was judged: the start of the attempt.
        now: Instant,
        /// To be held while the attempt runs.
        pass: Pass,
    },
    /// The device acknowledged it on the stream that it holds beside its push service; the attempt began at that instant.
    Acknowledged(Instant),
    /// It has ended without an attempt.
    Over(Ending, Instant),
    /// It is no longer ours. Where the lease still runs, the rescuer returns it.
    NotOurs,
}

/// Why there is nothing to send.
enum Obstacle {
    /// The domain says so.
    Domain(Option<Ending>, Instant),
    /// Something could not be had in time: the database's word, or a turn at a busy destination.
    Time,
}

pub(crate) async fn make(shared: &Shared, lease: &Lease, known: Option<Known>) -> Readiness {
    let (ending, now) = match try_make(shared, lease, known).await {
        Ok(ready) => return ready,
        Err(Obstacle::Domain(ending, now)) => (ending, now),
        // Without a row nobody else will end it. It has not begun, whatever the time is.
        Err(Obstacle::Time) if lease.delivery.once => {
            (Some(overdue(&lease.delivery)), shared.clock.now())
        }
        Err(Obstacle::Time) => (None, shared.clock.now()),
    };
    ending.map_or(Readiness::NotOurs, |ending| Readiness::Over(ending, now))
}

async fn try_make(
    shared: &Shared,
    lease: &Lease,
    known: Option<Known>,
) -> Result<Readiness, Obstacle> {
    let mut prospect = match known {
        Some(known) => known.prospect,
        None => read(shared, lease).await?,
    };
    if prospect.factor.as_ref().is_some_and(beside::is_possible) {
        let (push, now) = judge(shared, lease, prospect.clone()).await?;
        match beside::offer(shared, &lease.delivery, &push, now).await {
            Beside::Acknowledged => return Ok(Readiness::Acknowledged(now)),
            Beside::Nobody => {}
            // That took a while: the challenge may be answered, the lease lost.
            Beside::Silent => prospect = read(shared, lease).await?,
        }
    }
    let mut pass = None;
    if let Some(target) = &prospect.factor {
        let gate = shared.gates.to(target);
        pass = gate.try_pass();
        if pass.is_none() {
            pass = Some(wait(shared, lease, target).await?);
            // The wait may have been long: the challenge may be answered, the lease lost.
            prospect = read(shared, lease).await?;
        }
    }
    let (push, now) = judge(shared, lease, prospect).await?;
    // A target that appears between two reads has no pass; its delivery comes back when its lease runs out.
    let pass = pass.ok_or(Obstacle::Time)?;
    Ok(Readiness::Ready { push, now, pass })
}

/// Judges by the clock whether an attempt may start at this instant.
async fn judge(
    shared: &Shared,
    lease: &Lease,
    prospect: Prospect,
) -> Result<(Box<Push>, Instant), Obstacle> {
    let now = time(shared, &lease.delivery).await.ok_or(Obstacle::Time)?;
    if now >= attempt::limit(lease) {
        return Err(Obstacle::Time);
    }
    let push = prepare(lease, prospect, now).map_err(|ending| Obstacle::Domain(ending, now))?;
    Ok((Box::new(push), now))
}

/// The instant by which an attempt is judged; `None` if no clock can be relied on. A delivery of `Ttl=0` that seems too late asks
/// the database's clock first: it has no row that a later statement could judge again.
async fn time(shared: &Shared, delivery: &Delivery) -> Option<Instant> {
    let now = shared.clock.now();
    let is_refused = delivery.once && now >= delivery.deadline;
    if is_refused || shared.clock.is_doubtful() { shared.clock.checked().await } else { Some(now) }
}

/// How long an attempt is worth waiting for from now on.
fn patience(shared: &Shared, lease: &Lease) -> Duration {
    attempt::limit(lease).min(lease.delivery.deadline).since(shared.clock.now())
}

async fn wait(shared: &Shared, lease: &Lease, target: &Target) -> Result<Pass, Obstacle> {
    let gate = shared.gates.to(target);
    let pass = tokio::select! {
        biased;
        pass = gate.wait() => pass,
        () = shared.clock.sleep(patience(shared, lease)) => return Err(Obstacle::Time),
    };
    pass.map_err(|Crowded| {
        metrics::crowded_out();
        let notification = lease.delivery.notification;
        tracing::debug!(%notification, "too many deliveries wait for the same destination");
        Obstacle::Time
    })
}

/// Reads at once what those must know of which it is not known, or was long ago.
pub(crate) async fn read_all(shared: &Shared, batch: &mut [Start]) {
    let at = shared.clock.monotonic();
    let is_fresh = |known: &Known| at.since(known.at) < FRESH;
    let all = batch.iter_mut().map(|start| &mut start.leased);
    let unknown: Vec<_> =
        all.filter(|leased| !leased.known.as_ref().is_some_and(is_fresh)).collect();
    if unknown.is_empty() {
        return;
    }
    let leases: Vec<_> = unknown.iter().map(|leased| leased.lease).collect();
    // Where that fails one of them may be to blame: each is read alone, and as often as it takes.
    let mut prospects = shared.deliveries.prospects(&leases).await.unwrap_or_default().into_iter();
    for leased in unknown {
        leased.known = prospects.next().map(|prospect| Known { prospect, at });
    }
}

/// Reads what the attempt must know, more than once if the database is down for a moment.
async fn read(shared: &Shared, lease: &Lease) -> Result<Prospect, Obstacle> {
    let notification = lease.delivery.notification;
    let until = shared.clock.monotonic() + patience(shared, lease);
    let mut failures = 0;
    loop {
        let error = match shared.deliveries.prospects(std::slice::from_ref(lease)).await {
            Ok(prospects) => return prospects.into_iter().next().ok_or(Obstacle::Time),
            Err(error) => error,
        };
        failures += 1;
        metrics::failed("attempt");
        tracing::warn!(%error, %notification, failures, "a delivery cannot be read now");
        if matches!(error, StoreError::Corrupt(_)) || shared.clock.monotonic() >= until {
            return Err(Obstacle::Time);
        }
        shared.pause(failures).await;
    }
}
