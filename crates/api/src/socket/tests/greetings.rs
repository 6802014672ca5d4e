//! The authentication of a device stream, driven by hand.

use std::time::Duration;

use countersign_domain::address::{Address, Platform};
use countersign_domain::factor::Factor;
use countersign_domain::sid::ServiceSid;
use countersign_domain::text::Identity;

use super::{BEGIN, Same, device, factor, service};
use crate::socket::close::{Close, End};
use crate::socket::greeting::{Claim, Greeting};
use crate::socket::protocol::Received;

const SECOND: Duration = Duration::from_secs(1);

fn greeting() -> Greeting {
    Greeting::new(&Same(0x0a), BEGIN.at)
}

fn code(end: &End) -> u16 {
    match end {
        End::Close(close) => close.code,
        End::Left | End::Lost => 0,
    }
}

fn reason(close: &Close) -> serde_json::Value {
    serde_json::from_str(&close.reason).unwrap()
}

#[test]
fn the_nonce_is_32_hexadecimal_digits() {
    assert_eq!(greeting().nonce(), "0a".repeat(16));
}

#[test]
fn the_first_text_is_the_token_and_pings_are_ignored() {
    let greeting = greeting();
    assert_eq!(greeting.receive(Received::Beat, BEGIN), Ok(None));
    assert_eq!(greeting.receive(Received::Text("a.b.c"), BEGIN), Ok(Some("a.b.c")));
}

#[test]
fn a_silent_device_is_rejected_after_five_seconds() {
    let greeting = greeting();
    assert_eq!(greeting.deadline(), (BEGIN + 5 * SECOND).at);
    assert_eq!(greeting.tick(BEGIN + 4 * SECOND), Ok(()));
    let Err(End::Close(close)) = greeting.tick(BEGIN + 5 * SECOND) else { panic!("not refused") };
    assert_eq!((close.code, &reason(&close)["code"]), (4401, &20003.into()));
    assert_eq!(reason(&close)["server_time"], "2026-11-22T10:00:05Z");
    assert!(greeting.receive(Received::Text("a.b.c"), BEGIN + 5 * SECOND).is_err(), "too late");
}

#[test]
fn anything_but_text_ends_the_stream() {
    for (received, expected) in [
        (Received::Binary, 1003),
        (Received::NotUtf8, 1007),
        (Received::TooLarge, 1009),
        (Received::Violation, 1002),
        (Received::Farewell, 0),
        (Received::Silence, 0),
    ] {
        let end = greeting().receive(received, BEGIN).unwrap_err();
        assert_eq!(code(&end), expected, "{received:?}");
    }
}

fn claim() -> Claim {
    Claim {
        service: service(),
        identity: Identity::parse("alice-0001").unwrap(),
        factor: factor(7),
    }
}

#[test]
fn the_owner_of_the_token_gets_its_own_stream() {
    assert_eq!(Greeting::admit(&claim(), &device(7), BEGIN), Ok(factor(7)));
}

#[test]
fn a_web_push_factor_may_have_a_stream() {
    let address = Address::from_stored(Platform::WebPush, Some("{}".to_owned()));
    let browser = Factor { address, ..device(7) };
    assert_eq!(Greeting::admit(&claim(), &browser, BEGIN), Ok(factor(7)));
}

#[test]
fn no_device_gets_the_stream_of_another() {
    let apn = Address::new(Platform::Apn, Some(&"ab".repeat(16)), true).unwrap();
    let elsewhere = ServiceSid::from_bytes([9; 16]);
    let bob = Identity::parse("bob-000001").unwrap();
    for (claim, device) in [
        (Claim { factor: factor(8), ..claim() }, device(7)),
        (Claim { service: elsewhere, ..claim() }, device(7)),
        (Claim { identity: bob, ..claim() }, device(7)),
        (claim(), Factor { address: apn, ..device(7) }),
    ] {
        let close = Greeting::admit(&claim, &device, BEGIN).unwrap_err();
        assert_eq!((close.code, &reason(&close)["code"]), (4401, &20403.into()), "{claim:?}");
    }
}
