use proptest::prelude::*;

use super::*;

const NOON: Monotonic = Monotonic::after_origin(Duration::from_secs(43_200));
const SECOND: Duration = Duration::from_secs(1);

/// Fails this many attempts that were admitted a second ago.
fn fail(circuit: &mut Circuit, times: u32, now: Monotonic) -> Transition {
    let permits: Vec<_> =
        (0..times).map(|_| circuit.admit(now - SHORTEST_OUTAGE).expect("closed")).collect();
    let mut last = Transition::None;
    for permit in permits {
        last = circuit.report(permit, Health::Failing, now);
    }
    last
}

#[test]
fn the_circuit_opens_after_enough_failures_in_a_row() {
    let mut circuit = Circuit::default();
    assert_eq!(fail(&mut circuit, FAILURES - 1, NOON), Transition::None);
    let permit = circuit.admit(NOON).unwrap();
    assert_eq!(circuit.report(permit, Health::Healthy, NOON), Transition::None);
    let later = NOON + SECOND;
    assert_eq!(fail(&mut circuit, FAILURES, later), Transition::Opened(later + SECOND));
    assert_eq!(circuit.admit(later), Err(later + SECOND));
}

#[test]
fn failures_at_one_instant_do_not_open_the_circuit() {
    let mut circuit = Circuit::default();
    let broke = NOON + Duration::from_millis(200);
    let permits: Vec<_> = (0..1_000).map(|_| circuit.admit(NOON).unwrap()).collect();
    for permit in permits {
        assert_eq!(circuit.report(permit, Health::Failing, broke), Transition::None);
    }
    let permit = circuit.admit(broke).unwrap();
    let opened = circuit.report(permit, Health::Failing, NOON + SECOND);
    assert_eq!(opened, Transition::Opened(NOON + SECOND * 2), "a failure a second later opens it");
}

#[test]
fn an_outage_begins_after_the_last_response() {
    let mut circuit = Circuit::default();
    let slow: Vec<_> = (0..20).map(|_| circuit.admit(NOON).unwrap()).collect();
    let later = NOON + SECOND * 10;
    let quick = circuit.admit(later).unwrap();
    let _ = circuit.report(quick, Health::Healthy, later);
    for permit in slow {
        assert_eq!(circuit.report(permit, Health::Failing, later), Transition::None);
    }
}

#[test]
fn one_probe_decides() {
    let mut circuit = Circuit::default();
    fail(&mut circuit, FAILURES, NOON);
    let later = NOON + SECOND;
    let probe = circuit.admit(later).unwrap();
    assert_eq!(circuit.admit(later), Err(later + SECOND), "only one probe");
    assert_eq!(circuit.report(probe, Health::Healthy, later), Transition::Closed);
    assert!(circuit.admit(later).is_ok());
}

#[test]
fn each_failed_probe_doubles_the_pause() {
    let mut circuit = Circuit::default();
    let Transition::Opened(mut until) = fail(&mut circuit, FAILURES, NOON) else { panic!() };
    for seconds in [2, 4, 8, 16, 30, 30] {
        let probe = circuit.admit(until).unwrap();
        let opened = circuit.report(probe, Health::Failing, until);
        assert_eq!(opened, Transition::Opened(until + SECOND * seconds));
        until = until + SECOND * seconds;
    }
}

#[test]
fn a_lost_probe_is_repeated() {
    let mut circuit = Circuit::default();
    fail(&mut circuit, FAILURES, NOON);
    let lost = circuit.admit(NOON + SECOND).unwrap();
    let later = NOON + SECOND + PROBE_TIMEOUT;
    let probe = circuit.admit(later).unwrap();
    assert_eq!(circuit.report(lost, Health::Healthy, later), Transition::None, "too late");
    assert_eq!(circuit.report(probe, Health::Healthy, later), Transition::Closed);
}

#[test]
fn a_rejected_credential_opens_the_circuit_at_once() {
    let mut circuit = Circuit::default();
    let (permit, other) = (circuit.admit(NOON).unwrap(), circuit.admit(NOON).unwrap());
    let opened = circuit.report(permit, Health::Broken, NOON);
    assert_eq!(opened, Transition::Opened(NOON + REJECTED_PAUSE));
    assert_eq!(circuit.report(other, Health::Healthy, NOON), Transition::None, "sent before");
    assert!(circuit.admit(NOON).is_err());
}

#[test]
fn an_attempt_shows_a_health() {
    let of = |outcome, status| {
        let attempt = Attempt { provider_status: status, ..Attempt::plain(outcome, None) };
        Health::of(&attempt)
    };
    let later = Outcome::Later { not_before: None };
    assert_eq!(of(later, None), Health::Failing);
    assert_eq!(of(later, Some(503)), Health::Failing);
    assert_eq!(of(later, Some(429)), Health::Healthy);
    assert_eq!(of(Outcome::Accepted, Some(200)), Health::Healthy);
    assert_eq!(of(Outcome::Gone { since: None }, Some(410)), Health::Healthy);
    let refused = |breaks_credential| Outcome::Refused { breaks_credential };
    assert_eq!(of(refused(false), Some(400)), Health::Healthy);
    assert_eq!(of(refused(true), Some(403)), Health::Broken);
}

proptest! {
    /// There is never a second probe beside the first, no pause exceeds the longest, and a healthy service is used again.
    #[test]
    fn the_circuit_always_recovers(steps in prop::collection::vec((0u8..4, 0u64..40), 1..200)) {
        let mut circuit = Circuit::default();
        let mut now = NOON;
        let mut held = Vec::new();
        for (what, seconds) in steps {
            now = now + SECOND * u32::try_from(seconds).unwrap();
            match (what, circuit.admit(now)) {
                (_, Err(until)) => prop_assert!(until > now && until <= now + REJECTED_PAUSE),
                (0, Ok(permit)) => held.push(permit),
                (1, Ok(permit)) => { circuit.report(permit, Health::Healthy, now); }
                (2, Ok(permit)) => { circuit.report(permit, Health::Failing, now); }
                (_, Ok(permit)) => { circuit.report(permit, Health::Broken, now); }
            }
            if matches!(circuit.state, State::HalfOpen { .. }) {
                prop_assert!(circuit.admit(now).is_err());
            }
        }
        for permit in held {
            circuit.report(permit, Health::Failing, now);
        }
        let well = now + REJECTED_PAUSE + PROBE_TIMEOUT;
        let permit = circuit.admit(well).expect("every pause is over");
        circuit.report(permit, Health::Healthy, well);
        prop_assert!(circuit.admit(well).is_ok() && circuit.admit(well).is_ok());
    }
}
