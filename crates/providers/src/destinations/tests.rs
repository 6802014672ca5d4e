use countersign_domain::sid::CredentialSid;
use countersign_testkit::ManualClock;

use super::*;

const NOON: Instant = Instant::from_seconds(1_767_268_800);
const SECOND: Duration = Duration::from_secs(1);
const START: Monotonic = Monotonic::after_origin(Duration::ZERO);
/// A deadline that no test reaches.
const FAR: Instant = Instant::from_seconds(1_767_300_000);

#[test]
fn a_newer_version_makes_a_new_destination_and_an_older_does_not() {
    let destinations: Destinations<u8, u32> = Destinations::new("apn", 4);
    let first = destinations.of(&1, NOON, START);
    assert_eq!(*first.get_or_make(|| 10), 10);
    assert_eq!(*destinations.of(&1, NOON, START).get_or_make(|| 11), 10);
    let second = destinations.of(&1, NOON + SECOND, START);
    assert_eq!(*second.get_or_make(|| 20), 20);
    assert!(Arc::ptr_eq(&destinations.of(&1, NOON, START), &second));
    assert_eq!(Arc::strong_count(&first), 1, "the old one is dropped");
}

#[test]
fn at_the_bound_the_least_recently_used_is_removed() {
    let destinations: Destinations<u8, u32> = Destinations::new("apn", 2);
    let at = |key, seconds| destinations.of(&key, NOON, START + SECOND * seconds);
    let one = at(1, 0);
    let two = at(2, 1);
    assert!(Arc::ptr_eq(&at(1, 2), &one));
    at(3, 3);
    assert!(Arc::ptr_eq(&at(1, 4), &one));
    assert!(!Arc::ptr_eq(&at(2, 5), &two));
    assert_eq!(lock(&destinations.kept).len(), 2);
    at(4, 10_000);
    assert_eq!(lock(&destinations.kept).len(), 1, "all others were idle");
}

#[tokio::test]
async fn an_open_circuit_makes_no_call() {
    let (clock, destination) = (ManualClock::at(NOON), Destination::<()>::new(NOON, "apn"));
    let broken = Attempt {
        outcome: Outcome::Refused { breaks_credential: true },
        provider_status: Some(403),
        provider_reason: Some("InvalidProviderToken".to_owned()),
        code: Some(ErrorCode(52_149)),
    };
    let sent = destination.guarded(&clock, &"test", FAR, async { broken.clone() }).await;
    assert_eq!(sent, broken);
    let call = async { panic!("no call is made") };
    let refused = destination.guarded(&clock, &"test", FAR, call).await;
    let until = NOON + SECOND * 60;
    assert_eq!(refused.outcome, Outcome::Later { not_before: Some(until) });
    assert_eq!((refused.code, refused.provider_status), (Some(ErrorCode(52_149)), None));
    assert_eq!(
        refused.provider_reason.as_deref(),
        Some("not sent: circuit open until 2026-01-01T12:01:00Z after: InvalidProviderToken")
    );
}

#[tokio::test]
async fn an_open_circuit_is_counted_until_it_closes_or_is_removed() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _here = ::metrics::set_default_local_recorder(&recorder);
    let shown = |open: u8, openings: u8| {
        let text = handle.render();
        for line in [
            format!("countersign_push_circuits_open{{platform=\"fcm\"}} {open}"),
            format!("countersign_push_circuit_openings_total{{platform=\"fcm\"}} {openings}"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    };
    let clock = ManualClock::at(NOON);
    let destinations: Destinations<u8, ()> = Destinations::new("fcm", 2);
    shown(0, 0);
    let send = async |destination: &Destination<()>, outcome, status| {
        let attempt = Attempt { provider_status: Some(status), ..Attempt::plain(outcome, None) };
        destination.guarded(&clock, &"test", FAR, async { attempt }).await
    };
    let broken = Outcome::Refused { breaks_credential: true };
    let (one, two) = (destinations.of(&1, NOON, START), destinations.of(&2, NOON, START));
    send(&one, broken, 403).await;
    send(&two, broken, 403).await;
    shown(2, 2);
    clock.advance(SECOND * 60);
    send(&one, broken, 403).await;
    shown(2, 2);
    clock.advance(SECOND * 60);
    send(&one, Outcome::Accepted, 200).await;
    shown(1, 2);
    drop((one, two));
    // The owner corrects the second credential: a new version, with a new circuit.
    destinations.of(&2, NOON + SECOND, START);
    shown(0, 2);
}

#[tokio::test]
async fn an_outage_lasts_from_the_opening_of_the_circuit_to_its_close_or_a_new_version() {
    let clock = ManualClock::at(NOON);
    let destinations: Destinations<u8, ()> = Destinations::new("apn", 2);
    let sid = CredentialSid::from_bytes([1; 16]);
    let outages = || destinations.outages(|_| outage::Destination::Credential(sid));
    let send = async |destination: &Destination<()>, outcome, reason: &str| {
        let attempt = Attempt {
            provider_status: Some(403),
            provider_reason: Some(reason.to_owned()),
            ..Attempt::plain(outcome, Some(ErrorCode(52_149)))
        };
        destination.guarded(&clock, &"test", FAR, async { attempt }).await
    };
    let broken = Outcome::Refused { breaks_credential: true };
    let one = destinations.of(&1, NOON, START);
    assert_eq!(outages(), []);
    send(&one, broken, "InvalidProviderToken").await;
    clock.advance(SECOND * 60);
    send(&one, broken, "ExpiredProviderToken").await;
    let outage = Outage {
        destination: outage::Destination::Credential(sid),
        version: NOON,
        since: NOON,
        is_rejected: true,
        code: Some(ErrorCode(52_149)),
        reason: Some("ExpiredProviderToken".to_owned()),
    };
    assert_eq!(outages(), [outage], "since the first, with the last reason");
    clock.advance(SECOND * 60);
    send(&one, Outcome::Accepted, "").await;
    assert_eq!(outages(), []);
    send(&one, broken, "InvalidProviderToken").await;
    destinations.of(&1, NOON + SECOND, START);
    assert_eq!(outages(), [], "its owner has corrected it");
}
