//! Keeps a client and a circuit breaker for each destination: the client with its connections is made once for each version of
//! the credential.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use countersign_domain::ending::ErrorCode;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::outage::{self, Outage};
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;

use crate::circuit::{Circuit, CircuitPermit, Health, Transition};
use crate::lock::lock;
use crate::metrics::{self, OpenCircuit};

/// Waiting for a circuit leaves this much time before the deadline for one more attempt: a credential that its owner has
/// corrected meanwhile has a new circuit.
const LAST_ATTEMPT: Duration = Duration::from_secs(1);
/// At the bound, destinations unused for this long are removed with their connections.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// One destination.
pub(crate) struct Destination<T> {
    version: Instant,
    /// The label in metrics.
    platform: &'static str,
    client: OnceLock<T>,
    breaker: Mutex<Breaker>,
}

/// The circuit, and its last failure.
#[derive(Default)]
struct Breaker {
    circuit: Circuit,
    last_failure: LastFailure,
    open: Option<Opening>,
}

/// Since when the circuit is open, and why.
struct Opening {
    since: Instant,
    is_rejected: bool,
    _counted: OpenCircuit,
}

/// The last failed attempt.
#[derive(Default, Clone)]
struct LastFailure {
    code: Option<ErrorCode>,
    reason: Option<String>,
}

impl<T> Destination<T> {
    fn new(version: Instant, platform: &'static str) -> Self {
        Self { version, platform, client: OnceLock::new(), breaker: Mutex::default() }
    }

    /// The client; the first caller makes it, and concurrent callers wait.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        self.client.get_or_init(make)
    }

    /// Sends a push with this deadline if the circuit admits it. `name` appears in the log.
    pub(crate) async fn guarded(
        &self,
        clock: &dyn Clock,
        name: &dyn Named,
        deadline: Instant,
        send: impl Future<Output = Attempt> + Send,
    ) -> Attempt {
        // The lock is released before the await.
        let admitted = lock(&self.breaker).circuit.admit(clock.monotonic());
        let permit = match admitted {
            Ok(permit) => permit,
            Err(until) => return self.not_sent(time_of_day(clock, until), deadline),
        };
        let attempt = send.await;
        let health = Health::of(&attempt);
        let transition = self.report(permit, health, &attempt, clock);
        let (code, reason) = (attempt.code.map(|code| code.0), attempt.provider_reason.as_deref());
        match transition {
            Transition::None => {}
            Transition::Opened(until) if health == Health::Broken => {
                let until = time_of_day(clock, until);
                tracing::error!(destination = %name, code, reason, %until, "a push service rejects a credential; no push is sent with it until then");
            }
            Transition::Opened(until) => {
                let until = time_of_day(clock, until);
                tracing::warn!(destination = %name, code, reason, %until, "a push service fails; no push is sent to it until then");
            }
            Transition::Closed => tracing::info!(destination = %name, "a push service works again"),
        }
        attempt
    }

    fn report(
        &self,
        permit: CircuitPermit,
        health: Health,
        attempt: &Attempt,
        clock: &dyn Clock,
    ) -> Transition {
        let mut breaker = lock(&self.breaker);
        if health != Health::Healthy {
            breaker.last_failure =
                LastFailure { code: attempt.code, reason: attempt.provider_reason.clone() };
        }
        let transition = breaker.circuit.report(permit, health, clock.monotonic());
        match transition {
            Transition::None => {}
            // A circuit that opens again after a probe has been open all the time.
            Transition::Opened(_) => {
                let opening = breaker.open.get_or_insert_with(|| Opening {
                    since: clock.now(),
                    is_rejected: false,
                    _counted: OpenCircuit::new(self.platform),
                });
                opening.is_rejected = health == Health::Broken;
            }
            Transition::Closed => breaker.open = None,
        }
        transition
    }

    /// The outage, if the circuit is not closed.
    fn outage(&self, destination: outage::Destination) -> Option<Outage> {
        let breaker = lock(&self.breaker);
        let (since, is_rejected) =
            breaker.open.as_ref().map(|open| (open.since, open.is_rejected))?;
        let LastFailure { code, reason } = breaker.last_failure.clone();
        let version = self.version;
        Some(Outage { destination, version, since, is_rejected, code, reason })
    }

    fn not_sent(&self, until: Instant, deadline: Instant) -> Attempt {
        let LastFailure { code, reason } = lock(&self.breaker).last_failure.clone();
        let reason = reason.unwrap_or_else(|| "failures".to_owned());
        let reason = format!("not sent: circuit open until {until} after: {reason}");
        Attempt {
            outcome: Outcome::Later { not_before: Some(until.min(deadline - LAST_ATTEMPT)) },
            provider_status: None,
            provider_reason: crate::reasons::clean(&reason),
            code: code.or(Some(ErrorCode::INTERNAL)),
        }
    }
}

/// The time of day at which the monotonic clock will read `at`, for the record and the database.
fn time_of_day(clock: &dyn Clock, at: Monotonic) -> Instant {
    clock.now() + at.since(clock.monotonic())
}

/// The name of a destination in the log.
pub(crate) trait Named: fmt::Display + Sync {}
impl<T: fmt::Display + Sync> Named for T {}

/// The destinations of one push service, up to a bound.
pub(crate) struct Destinations<K, T> {
    platform: &'static str,
    bound: usize,
    kept: Mutex<Kept<K, T>>,
}

/// The destinations, each with its last use.
type Kept<K, T> = HashMap<K, (Arc<Destination<T>>, Monotonic)>;

impl<K: Hash + Eq + Clone, T> Destinations<K, T> {
    /// Keeps up to `bound` destinations of a platform.
    pub(crate) fn new(platform: &'static str, bound: usize) -> Self {
        metrics::init_circuits(platform);
        Self { platform, bound, kept: Mutex::default() }
    }

    /// The destinations whose circuit is not closed.
    pub(crate) fn outages(&self, name: impl Fn(&K) -> outage::Destination) -> Vec<Outage> {
        let kept = lock(&self.kept);
        kept.iter().filter_map(|(key, (destination, _))| destination.outage(name(key))).collect()
    }

    /// The destination of `key`. A newer version of its credential makes a new destination.
    pub(crate) fn of(&self, key: &K, version: Instant, now: Monotonic) -> Arc<Destination<T>> {
        let mut kept = lock(&self.kept);
        if let Some((destination, used)) = kept.get_mut(key)
            // A caller may still hold an older version.
            && destination.version >= version
        {
            *used = now;
            return Arc::clone(destination);
        }
        if kept.len() >= self.bound {
            kept.retain(|_, (_, used)| now.since(*used) < IDLE_TIMEOUT);
        }
        if kept.len() >= self.bound {
            let oldest = kept.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                kept.remove(&oldest);
            }
        }
        let destination = Arc::new(Destination::new(version, self.platform));
        kept.insert(key.clone(), (Arc::clone(&destination), now));
        destination
    }
}

#[cfg(test)]
mod tests;
