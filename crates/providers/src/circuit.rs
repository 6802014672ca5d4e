//! A circuit: after too many failures nothing is sent for a while, and then one probe tells whether it may go on. Pure:
//! time is handed in, and nothing here waits. All of it is durations, so it goes by the monotonic clock.

use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::outcome::{Attempt, Outcome};

/// So many failures in a row, with no answer between them, are an outage,
const IN_A_ROW: u32 = 10;
/// if the silence lasts so long: when one connection breaks, all that is on it fails at once, and the next may work.
const SILENCE: Duration = Duration::from_secs(1);
/// How long an outage is waited out first; doubled after each probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest wait. A push lives five minutes at most, so a longer one would lose those that could still be delivered.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a credential rests that the push service does not take. It is mended by its owner, and the mended one is a
/// new version with a circuit of its own.
const BROKEN_PAUSE: Duration = Duration::from_secs(60);
/// A probe that has not come back by then is taken for lost.
const PROBE_WITHIN: Duration = Duration::from_secs(30);

/// What an attempt says about the push service and our credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answered, whatever that was.
    Well,
    /// It could not be reached, or it failed.
    Ailing,
    /// It does not take the credential.
    Broken,
}

impl Health {
    /// What an attempt says. A push that is to be tried again was not answered at all, or by a fault (5xx), or there
    /// was too much (429): the last is an answer.
    pub(crate) fn of(attempt: &Attempt) -> Self {
        match (attempt.outcome, attempt.provider_status) {
            (Outcome::Refused { breaks_credential: true }, _) => Self::Broken,
            (Outcome::Later { .. }, None | Some(500..)) => Self::Ailing,
            _ => Self::Well,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32, since: Monotonic },
    Open { until: Monotonic, pause: Duration },
    HalfOpen { since: Monotonic, pause: Duration },
}

/// The right to send once. What came of it is to be reported with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) struct Pass {
    /// A pass of an earlier state says nothing about the present one.
    turn: u64,
    /// When it was given.
    at: Monotonic,
}

/// What a report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing that anybody must hear of.
    None,
    /// It opened, and stays so until then at least.
    Opened(Monotonic),
    /// It closed.
    Closed,
}

/// The circuit before one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Circuit {
    state: State,
    turn: u64,
}

impl Default for Circuit {
    fn default() -> Self {
        Self { state: State::Closed { failures: 0, since: Monotonic::default() }, turn: 0 }
    }
}

impl Circuit {
    /// Whether one may send now; otherwise when to ask again.
    pub(crate) fn admit(&mut self, now: Monotonic) -> Result<Pass, Monotonic> {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until, .. } if now < until => return Err(until),
            State::HalfOpen { since, .. } if now < since + PROBE_WITHIN => {
                return Err(now + FIRST_PAUSE);
            }
            State::Open { pause, .. } | State::HalfOpen { pause, .. } => {
                self.become_state(State::HalfOpen { since: now, pause });
            }
        }
        Ok(Pass { turn: self.turn, at: now })
    }

    /// Takes note of what came of a pass.
    pub(crate) fn report(&mut self, pass: Pass, health: Health, now: Monotonic) -> Change {
        if pass.turn != self.turn {
            return Change::None;
        }
        match (self.state, health) {
            (State::Closed { .. }, Health::Well) => {
                self.state = State::Closed { failures: 0, since: now };
                Change::None
            }
            (State::Closed { failures, since }, Health::Ailing) => {
                // The first failure of a row began when its pass was given, or when something else last went well.
                let since = if failures == 0 { since.max(pass.at) } else { since };
                let failures = failures.saturating_add(1);
                if failures >= IN_A_ROW && now.since(since) >= SILENCE {
                    return self.open(FIRST_PAUSE, now);
                }
                self.state = State::Closed { failures, since };
                Change::None
            }
            (State::HalfOpen { .. }, Health::Well) => {
                self.become_state(State::Closed { failures: 0, since: now });
                Change::Closed
            }
            (State::HalfOpen { pause, .. }, Health::Ailing) => {
                self.open((pause * 2).min(LONGEST_PAUSE), now)
            }
            (_, Health::Broken) => self.open(BROKEN_PAUSE, now),
            // Nobody holds a pass of an open circuit.
            (State::Open { .. }, _) => Change::None,
        }
    }

    fn open(&mut self, pause: Duration, now: Monotonic) -> Change {
        let until = now + pause;
        self.become_state(State::Open { until, pause });
        Change::Opened(until)
    }

    fn become_state(&mut self, state: State) {
        self.state = state;
        self.turn += 1;
    }
}

#[cfg(test)]
mod tests;
