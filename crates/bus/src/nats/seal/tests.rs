use countersign_testkit::{ManualClock, SeededEntropy};

use super::*;

const DEVICE: Binding<'static> =
    Binding::Message { subject: "a.device.1", reply: Some("a.inbox.x.1") };

/// A node's sealer, with a key of one repeated byte.
fn sealer(node: u64, key: u8, clock: &ManualClock) -> Sealer {
    let entropy = Arc::new(SeededEntropy::new(node));
    Sealer::new(SealingKey::new(&[key; 32]), Arc::new(clock.clone()), entropy)
}

#[test]
fn a_message_opens_only_with_its_binding_and_its_key() {
    let clock = ManualClock::new();
    let (from, to) = (sealer(1, 1, &clock), sealer(2, 1, &clock));
    let (sealed, nonce) = from.seal(b"Log in from Lisbon?", DEVICE);
    assert!(!sealed.windows(6).any(|bytes| bytes == b"Lisbon"));
    let opened = to.read(&sealed, DEVICE).unwrap();
    assert_eq!((&opened.plaintext[..], opened.nonce), (&b"Log in from Lisbon?"[..], nonce));
    for other in [
        Binding::Message { subject: "a.device.2", reply: Some("a.inbox.x.1") },
        Binding::Message { subject: "a.device.1", reply: Some("a.inbox.y.1") },
        Binding::Message { subject: "a.device.1", reply: None },
        Binding::Message { subject: "a.device.1a.inbox.x.1", reply: None },
        Binding::ReplyTo(&nonce),
    ] {
        assert_eq!(to.read(&sealed, other), Err(OpenError::Seal), "{other:?}");
    }
    assert_eq!(sealer(2, 2, &clock).read(&sealed, DEVICE), Err(OpenError::Seal));
    assert_eq!(from.read(&sealed, DEVICE), Err(OpenError::Replayed), "its own message");
}

#[test]
fn a_message_opens_within_thirty_seconds_of_its_time() {
    let (clock, behind) = (ManualClock::new(), ManualClock::new());
    let (from, to, late) = (sealer(1, 1, &clock), sealer(2, 1, &clock), sealer(3, 1, &behind));
    let (sealed, _) = from.seal(b"said", DEVICE);
    clock.advance(WINDOW);
    assert!(to.read(&sealed, DEVICE).is_ok());
    clock.advance(Duration::from_micros(1));
    assert_eq!(to.read(&sealed, DEVICE), Err(OpenError::Time));
    let (ahead, _) = from.seal(b"said", DEVICE);
    assert_eq!(late.read(&ahead, DEVICE), Err(OpenError::Time));
    behind.advance(Duration::from_secs(1));
    assert!(late.read(&ahead, DEVICE).is_ok());
}

#[test]
fn a_modified_truncated_or_unsealed_message_is_rejected() {
    let clock = ManualClock::new();
    let (from, to) = (sealer(1, 1, &clock), sealer(2, 1, &clock));
    let (sealed, _) = from.seal(b"said", DEVICE);
    for at in 0..sealed.len() {
        let mut changed = sealed.to_vec();
        changed[at] ^= 1;
        let why = if at == 0 { OpenError::Unsealed } else { OpenError::Seal };
        assert_eq!(to.read(&changed, DEVICE), Err(why), "byte {at}");
        assert!(to.read(&sealed[..at], DEVICE).is_err(), "the first {at} bytes");
    }
    assert_eq!(to.read(&[1, 2], DEVICE), Err(OpenError::Unsealed));
}

#[test]
fn a_reply_opens_only_for_its_request() {
    let clock = ManualClock::new();
    let (asks, answers) = (sealer(1, 1, &clock), sealer(2, 1, &clock));
    let (_, request) = asks.seal(b"?", DEVICE);
    let (_, other) = asks.seal(b"?", DEVICE);
    assert_ne!(request, other);
    let (answer, _) = answers.seal(b"!", Binding::ReplyTo(&request));
    assert_eq!(asks.open_reply(&answer, &request).as_deref(), Some(&b"!"[..]));
    assert_eq!(asks.open_reply(&answer, &other), None);
}

#[test]
fn a_message_is_new_once_and_memory_is_bounded() {
    let clock = ManualClock::new();
    let (from, to) = (sealer(1, 1, &clock), sealer(2, 1, &clock));
    let mut seen = ReplayGuard::new(3);
    let message = || to.read(&from.seal(b"said", DEVICE).0, DEVICE).unwrap();
    let first = message();
    assert!(seen.note(&first, clock.now()) && !seen.note(&first, clock.now()));
    for _ in 0..10 {
        assert!(seen.note(&message(), clock.now()));
    }
    assert_eq!((seen.order.len(), seen.nonces.len()), (3, 3));
    clock.advance(WINDOW + Duration::from_secs(1));
    assert!(seen.note(&message(), clock.now()));
    assert_eq!((seen.order.len(), seen.nonces.len()), (1, 1));
}
