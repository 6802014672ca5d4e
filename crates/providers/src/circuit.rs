//! A circuit breaker. After too many failures it opens: no push is sent for a while, then one probe decides whether it closes.
//! Pure: the time is handed in, by the monotonic clock, since all of it is durations.

use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::outcome::{Attempt, Outcome};

/// Failures in a row that are an outage, if they last for [`SHORTEST_OUTAGE`].
const FAILURES: u32 = 10;
/// The shortest outage. When one connection breaks, all requests on it fail at once, and the next connection may work.
const SHORTEST_OUTAGE: Duration = Duration::from_secs(1);
/// How long the circuit is open first; doubled after each failed probe.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest that it is open. A push lives five minutes at most, so a longer pause would lose deliverable pushes.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long it is open after the push service has rejected the credential. A credential that its owner has corrected is a new
/// version with a new circuit.
const REJECTED_PAUSE: Duration = Duration::from_secs(60);
/// A probe without a result after this time counts as lost.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// The evidence of an attempt about the push service and the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// The push service responded, with whatever verdict on the push.
    Healthy,
    /// It could not be reached, or it failed.
    Failing,
    /// It rejects the credential.
    Broken,
}

impl Health {
    /// The health that an attempt shows. A retried attempt had no response, a server error (5xx), or too many
    /// requests (429); the last is a response.
    pub(crate) fn of(attempt: &Attempt) -> Self {
        match (attempt.outcome, attempt.provider_status) {
            (Outcome::Refused { breaks_credential: true }, _) => Self::Broken,
            (Outcome::Later { .. }, None | Some(500..)) => Self::Failing,
            _ => Self::Healthy,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32, since: Monotonic },
    Open { until: Monotonic, pause: Duration },
    HalfOpen { since: Monotonic, pause: Duration },
}

/// The right to make one attempt. Its health is reported with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) struct CircuitPermit {
    /// A permit of an earlier state says nothing about the present one.
    generation: u64,
    /// The instant of admission.
    at: Monotonic,
}

/// The change that a report makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    /// None worth logging.
    None,
    /// The circuit opened, until this instant at least.
    Opened(Monotonic),
    /// The circuit closed.
    Closed,
}

/// The circuit of one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Circuit {
    state: State,
    generation: u64,
}

impl Default for Circuit {
    fn default() -> Self {
        Self { state: State::Closed { failures: 0, since: Monotonic::default() }, generation: 0 }
    }
}

impl Circuit {
    /// Admits an attempt.
    ///
    /// # Errors
    /// The circuit is open; the instant at which to ask again.
    pub(crate) fn admit(&mut self, now: Monotonic) -> Result<CircuitPermit, Monotonic> {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until, .. } if now < until => return Err(until),
            State::HalfOpen { since, .. } if now < since + PROBE_TIMEOUT => {
                return Err(now + FIRST_PAUSE);
            }
            State::Open { pause, .. } | State::HalfOpen { pause, .. } => {
                self.become_state(State::HalfOpen { since: now, pause });
            }
        }
        Ok(CircuitPermit { generation: self.generation, at: now })
    }

    /// Reports the health that an admitted attempt has shown.
    pub(crate) fn report(
        &mut self,
        permit: CircuitPermit,
        health: Health,
        now: Monotonic,
    ) -> Transition {
        if permit.generation != self.generation {
            return Transition::None;
        }
        match (self.state, health) {
            (State::Closed { .. }, Health::Healthy) => {
                self.state = State::Closed { failures: 0, since: now };
                Transition::None
            }
            (State::Closed { failures, since }, Health::Failing) => {
                // A row of failures begins with the admission of the first one, or with the last success if that came later.
                let since = if failures == 0 { since.max(permit.at) } else { since };
                let failures = failures.saturating_add(1);
                if failures >= FAILURES && now.since(since) >= SHORTEST_OUTAGE {
                    return self.open(FIRST_PAUSE, now);
                }
                self.state = State::Closed { failures, since };
                Transition::None
            }
            (State::HalfOpen { .. }, Health::Healthy) => {
                self.become_state(State::Closed { failures: 0, since: now });
                Transition::Closed
            }
            (State::HalfOpen { pause, .. }, Health::Failing) => {
                self.open((pause * 2).min(LONGEST_PAUSE), now)
            }
            (_, Health::Broken) => self.open(REJECTED_PAUSE, now),
            // An open circuit gives no permits.
            (State::Open { .. }, _) => Transition::None,
        }
    }

    fn open(&mut self, pause: Duration, now: Monotonic) -> Transition {
        let until = now + pause;
        self.become_state(State::Open { until, pause });
        Transition::Opened(until)
    }

    fn become_state(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }
}

#[cfg(test)]
mod tests;
