use proptest::prelude::*;

use super::*;

const NOON: Monotonic = Monotonic::after_origin(Duration::from_secs(43_200));
const SECOND: Duration = Duration::from_secs(1);

/// So many attempts that began a second ago fail now.
fn fail(circuit: &mut Circuit, times: u32, now: Monotonic) -> Change {
    let passes: Vec<_> =
        (0..times).map(|_| circuit.admit(now - SILENCE).expect("closed")).collect();
    let mut last = Change::None;
    for pass in passes {
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
    let later = NOON + SECOND;
    assert_eq!(fail(&mut circuit, IN_A_ROW, later), Change::Opened(later + SECOND));
    assert_eq!(circuit.admit(later), Err(later + SECOND));
}

#[test]
fn what_fails_at_once_is_an_accident() {
    let mut circuit = Circuit::default();
    let broke = NOON + Duration::from_millis(200);
    let passes: Vec<_> = (0..1_000).map(|_| circuit.admit(NOON).unwrap()).collect();
    for pass in passes {
        assert_eq!(circuit.report(pass, Health::Ailing, broke), Change::None);
    }
    let pass = circuit.admit(broke).unwrap();
    let opened = circuit.report(pass, Health::Ailing, NOON + SECOND);
    assert_eq!(opened, Change::Opened(NOON + SECOND * 2), "but not if it goes on");
}

#[test]
fn the_silence_begins_after_the_last_answer() {
    let mut circuit = Circuit::default();
    let slow: Vec<_> = (0..20).map(|_| circuit.admit(NOON).unwrap()).collect();
    let later = NOON + SECOND * 10;
    let quick = circuit.admit(later).unwrap();
    let _ = circuit.report(quick, Health::Well, later);
    for pass in slow {
        assert_eq!(circuit.report(pass, Health::Ailing, later), Change::None);
    }
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
