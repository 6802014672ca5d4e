//! A circuit: after too many failures nothing is sent for a while, and then one probe tells whether it may go on. Pure:
//! time is handed in, and nothing here waits.

use std::time::Duration;

use countersign_domain::delivery::{Attempt, Outcome};
use countersign_domain::time::Instant;

/// So many failures in a row, with no answer between them, are an outage and no accident.
const IN_A_ROW: u32 = 10;
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
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
    HalfOpen { since: Instant, pause: Duration },
}

/// The right to send once. What came of it is to be reported with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) struct Pass {
    /// A pass of an earlier state says nothing about the present one.
    turn: u64,
}

/// What a report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing that anybody must hear of.
    None,
    /// It opened, and stays so until then at least.
    Opened(Instant),
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
        Self { state: State::Closed { failures: 0 }, turn: 0 }
    }
}

impl Circuit {
    /// Whether one may send now; otherwise when to ask again.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Pass, Instant> {
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
        Ok(Pass { turn: self.turn })
    }

    /// Takes note of what came of a pass.
    pub(crate) fn report(&mut self, pass: Pass, health: Health, now: Instant) -> Change {
        if pass.turn != self.turn {
            return Change::None;
        }
        match (self.state, health) {
            (State::Closed { .. }, Health::Well) => {
                self.state = State::Closed { failures: 0 };
                Change::None
            }
            (State::Closed { failures }, Health::Ailing) if failures + 1 < IN_A_ROW => {
                self.state = State::Closed { failures: failures + 1 };
                Change::None
            }
            (State::Closed { .. }, Health::Ailing) => self.open(FIRST_PAUSE, now),
            (State::HalfOpen { .. }, Health::Well) => {
                self.become_state(State::Closed { failures: 0 });
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

    fn open(&mut self, pause: Duration, now: Instant) -> Change {
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: Instant = Instant::from_seconds(1_767_268_800);
    const SECOND: Duration = Duration::from_secs(1);

    fn fail(circuit: &mut Circuit, times: u32, now: Instant) -> Change {
        let mut last = Change::None;
        for _ in 0..times {
            let pass = circuit.admit(now).expect("closed");
            last = circuit.report(pass, Health::Ailing, now);
        }
        last
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_not_before() {
        let mut circuit = Circuit::default();
        assert_eq!(fail(&mut circuit, IN_A_ROW - 1, NOON), Change::None);
        let pass = circuit.admit(NOON).unwrap();
        assert_eq!(circuit.report(pass, Health::Well, NOON), Change::None);
        assert_eq!(fail(&mut circuit, IN_A_ROW, NOON), Change::Opened(NOON + SECOND));
        assert_eq!(circuit.admit(NOON), Err(NOON + SECOND));
    }

    #[test]
    fn one_probe_decides() {
        let mut circuit = Circuit::default();
        fail(&mut circuit, IN_A_ROW, NOON);
        let later = NOON + SECOND;
        let probe = circuit.admit(later).unwrap();
        assert_eq!(circuit.admit(later), Err(later + SECOND), "only one");
        assert_eq!(circuit.report(probe, Health::Well, later), Change::Closed);
        assert!(circuit.admit(later).is_ok());
    }

    #[test]
    fn each_failed_probe_doubles_the_pause() {
        let mut circuit = Circuit::default();
        let Change::Opened(mut until) = fail(&mut circuit, IN_A_ROW, NOON) else { panic!() };
        for seconds in [2, 4, 8, 16, 30, 30] {
            let probe = circuit.admit(until).unwrap();
            let opened = circuit.report(probe, Health::Ailing, until);
            assert_eq!(opened, Change::Opened(until + SECOND * seconds));
            until = until + SECOND * seconds;
        }
    }

    #[test]
    fn a_probe_that_is_lost_is_sent_again() {
        let mut circuit = Circuit::default();
        fail(&mut circuit, IN_A_ROW, NOON);
        let lost = circuit.admit(NOON + SECOND).unwrap();
        let later = NOON + SECOND + PROBE_WITHIN;
        let probe = circuit.admit(later).unwrap();
        assert_eq!(circuit.report(lost, Health::Well, later), Change::None, "too late");
        assert_eq!(circuit.report(probe, Health::Well, later), Change::Closed);
    }

    #[test]
    fn a_broken_credential_opens_it_at_once() {
        let mut circuit = Circuit::default();
        let (pass, other) = (circuit.admit(NOON).unwrap(), circuit.admit(NOON).unwrap());
        let opened = circuit.report(pass, Health::Broken, NOON);
        assert_eq!(opened, Change::Opened(NOON + BROKEN_PAUSE));
        assert_eq!(circuit.report(other, Health::Well, NOON), Change::None, "sent before");
        assert!(circuit.admit(NOON).is_err());
    }

    #[test]
    fn what_an_attempt_says() {
        let of = |outcome, status| {
            let attempt = Attempt { provider_status: status, ..Attempt::plain(outcome, None) };
            Health::of(&attempt)
        };
        let later = Outcome::Later { not_before: None };
        assert_eq!(of(later, None), Health::Ailing);
        assert_eq!(of(later, Some(503)), Health::Ailing);
        assert_eq!(of(later, Some(429)), Health::Well);
        assert_eq!(of(Outcome::Accepted, Some(200)), Health::Well);
        assert_eq!(of(Outcome::Gone { since: None }, Some(410)), Health::Well);
        let refused = |breaks_credential| Outcome::Refused { breaks_credential };
        assert_eq!(of(refused(false), Some(400)), Health::Well);
        assert_eq!(of(refused(true), Some(403)), Health::Broken);
    }

    proptest! {
        /// Whatever happens: never a second probe beside the first, never a wait longer than the longest, and once the
        /// service is well again, it is used again.
        #[test]
        fn it_never_locks_up(steps in prop::collection::vec((0u8..4, 0u64..40), 1..200)) {
            let mut circuit = Circuit::default();
            let mut now = NOON;
            let mut held = Vec::new();
            for (what, seconds) in steps {
                now = now + SECOND * u32::try_from(seconds).unwrap();
                match (what, circuit.admit(now)) {
                    (_, Err(until)) => prop_assert!(until > now && until <= now + BROKEN_PAUSE),
                    (0, Ok(pass)) => held.push(pass),
                    (1, Ok(pass)) => { circuit.report(pass, Health::Well, now); }
                    (2, Ok(pass)) => { circuit.report(pass, Health::Ailing, now); }
                    (_, Ok(pass)) => { circuit.report(pass, Health::Broken, now); }
                }
                if matches!(circuit.state, State::HalfOpen { .. }) {
                    prop_assert!(circuit.admit(now).is_err());
                }
            }
            for pass in held {
                circuit.report(pass, Health::Ailing, now);
            }
            let well = now + BROKEN_PAUSE + PROBE_WITHIN;
            let pass = circuit.admit(well).expect("every wait is over");
            circuit.report(pass, Health::Well, well);
            prop_assert!(circuit.admit(well).is_ok() && circuit.admit(well).is_ok());
        }
    }
}
