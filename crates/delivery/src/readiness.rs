//! Decides whether an attempt may start: fetches its prospect, waits for a permit, and judges by the clock right before.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::Leased;
use countersign_domain::delivery::{Delivery, Lease};
use countersign_domain::ending::Ending;
use countersign_domain::prospect::{Prospect, Push, Target, TimedProspect, overdue, prepare};
use countersign_domain::time::Instant;
use countersign_store::StoreError;
use countersign_store::seam::Deliveries;

use crate::beside::{self, OnStream, StreamOffers};
use crate::deadline::give_up_at;
use crate::limits::{AttemptLimits, AttemptPermit, QueueFull};
use crate::metrics;
use crate::timing::Timing;

/// A prospect that is younger than this is not read again. A push takes much longer on its way, and the challenge may be
/// answered during that time just as well.
const FRESH: Duration = Duration::from_millis(50);

/// The next step for a leased delivery.
pub(crate) enum Readiness {
    /// Send this.
    Ready {
        /// The push.
        push: Box<Push>,
        /// The instant at which the deadline was judged: the start of the attempt.
        now: Instant,
        /// Held while the attempt runs.
        permit: AttemptPermit,
    },
    /// The device acknowledged on the stream that it holds beside its push service; the attempt started at this instant.
    Acknowledged(Instant),
    /// The delivery has ended without an attempt.
    Ended(Ending, Instant),
    /// The lease is lost, or nothing can be sent under it. If it still runs, the rescuer returns the delivery.
    GivenUp,
}

/// Why nothing can be sent.
enum Obstacle {
    /// The domain's judgement: how the delivery has ended, or `None` if the lease is lost.
    Judged(Option<Ending>, Instant),
    /// The database's response or a permit did not come in time.
    TooLate,
}

/// Decides whether attempts may start.
pub(crate) struct ReadinessCheck {
    pub(crate) deliveries: Arc<dyn Deliveries + Send + Sync>,
    pub(crate) limits: AttemptLimits,
    pub(crate) stream: StreamOffers,
    pub(crate) timing: Timing,
}

impl ReadinessCheck {
    /// Decides for one delivery. `known`: its prospect, as far as it has been read.
    pub(crate) async fn check(&self, lease: &Lease, known: Option<TimedProspect>) -> Readiness {
        let (ending, now) = match self.try_check(lease, known).await {
            Ok(readiness) => return readiness,
            Err(Obstacle::Judged(ending, now)) => (ending, now),
            // A `Ttl=0` has no row that a sweep could end. No attempt has started, whatever the time is.
            Err(Obstacle::TooLate) if lease.delivery.once => {
                (Some(overdue(&lease.delivery)), self.timing.now())
            }
            Err(Obstacle::TooLate) => (None, self.timing.now()),
        };
        ending.map_or(Readiness::GivenUp, |ending| Readiness::Ended(ending, now))
    }

    async fn try_check(
        &self,
        lease: &Lease,
        known: Option<TimedProspect>,
    ) -> Result<Readiness, Obstacle> {
        let mut prospect = match known {
            Some(known) => known.prospect,
            None => self.read(lease).await?,
        };
        if prospect.factor.as_ref().is_some_and(beside::is_possible) {
            let (push, now) = self.judge(lease, prospect.clone()).await?;
            match self.stream.offer(&lease.delivery, &push, now).await {
                OnStream::Acknowledged => return Ok(Readiness::Acknowledged(now)),
                OnStream::NotConnected => {}
                // Meanwhile the challenge may have been answered or the lease lost.
                OnStream::Unacknowledged => prospect = self.read(lease).await?,
            }
        }
        let mut permit = None;
        if let Some(target) = &prospect.factor {
            permit = self.limits.of(target).try_acquire();
            if permit.is_none() {
                permit = Some(self.acquire(lease, target).await?);
                // Meanwhile the challenge may have been answered or the lease lost.
                prospect = self.read(lease).await?;
            }
        }
        let (push, now) = self.judge(lease, prospect).await?;
        // A target that appears between two reads has no permit; its delivery returns when the lease runs out.
        let permit = permit.ok_or(Obstacle::TooLate)?;
        Ok(Readiness::Ready { push, now, permit })
    }

    /// Judges by the clock whether an attempt may start at this instant.
    async fn judge(
        &self,
        lease: &Lease,
        prospect: Prospect,
    ) -> Result<(Box<Push>, Instant), Obstacle> {
        let now = self.judging_time(&lease.delivery).await.ok_or(Obstacle::TooLate)?;
        if now >= give_up_at(lease) {
            return Err(Obstacle::TooLate);
        }
        let push = prepare(lease, prospect, now).map_err(|ending| Obstacle::Judged(ending, now))?;
        Ok((Box::new(push), now))
    }

    /// The instant by which an attempt is judged; `None` if no clock can be relied on. A `Ttl=0` that seems too late is
    /// judged by the database's clock: it has no row that a later statement could judge again.
    async fn judging_time(&self, delivery: &Delivery) -> Option<Instant> {
        let (clock, now) = (self.timing.clock(), self.timing.now());
        let seems_late = delivery.once && now >= delivery.deadline;
        if seems_late || clock.is_doubtful() { clock.checked().await } else { Some(now) }
    }

    /// How long an attempt may still wait.
    fn remaining(&self, lease: &Lease) -> Duration {
        give_up_at(lease).min(lease.delivery.deadline).since(self.timing.now())
    }

    async fn acquire(&self, lease: &Lease, target: &Target) -> Result<AttemptPermit, Obstacle> {
        let limit = self.limits.of(target);
        let permit = tokio::select! {
            biased;
            permit = limit.acquire() => permit,
            () = self.timing.sleep(self.remaining(lease)) => return Err(Obstacle::TooLate),
        };
        permit.map_err(|QueueFull| {
            metrics::crowded_out();
            let notification = lease.delivery.notification;
            tracing::debug!(%notification, "too many deliveries wait for the same destination");
            Obstacle::TooLate
        })
    }

    /// Reads, by one command, the prospects that are missing or no longer fresh.
    pub(crate) async fn read_all(&self, batch: impl Iterator<Item = &mut Leased>) {
        let at = self.timing.monotonic();
        let is_fresh = |known: &TimedProspect| at.since(known.at) < FRESH;
        let unknown: Vec<_> =
            batch.filter(|leased| !leased.known.as_ref().is_some_and(is_fresh)).collect();
        if unknown.is_empty() {
            return;
        }
        let leases: Vec<_> = unknown.iter().map(|leased| leased.lease).collect();
        // If this fails, one of the rows may be corrupt: each attempt then reads its own, with retries.
        let prospects = self.deliveries.prospects(&leases).await.unwrap_or_default();
        let mut prospects = prospects.into_iter();
        for leased in unknown {
            leased.known = prospects.next().map(|prospect| TimedProspect { prospect, at });
        }
    }

    /// Reads the prospect of one attempt, with retries while the attempt may still start.
    async fn read(&self, lease: &Lease) -> Result<Prospect, Obstacle> {
        let notification = lease.delivery.notification;
        let until = self.timing.monotonic() + self.remaining(lease);
        let mut failures = 0;
        loop {
            let error = match self.deliveries.prospects(std::slice::from_ref(lease)).await {
                Ok(prospects) => return prospects.into_iter().next().ok_or(Obstacle::TooLate),
                Err(error) => error,
            };
            failures += 1;
            metrics::failed("attempt");
            tracing::warn!(%error, %notification, failures, "cannot read a delivery");
            if matches!(error, StoreError::Corrupt(_)) || self.timing.monotonic() >= until {
                return Err(Obstacle::TooLate);
            }
            self.timing.retry_delay(failures).await;
        }
    }
}
