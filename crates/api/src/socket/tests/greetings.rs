//! The conversation with a stranger, by hand.

use std::time::Duration;

use countersign_domain::address::{Address, Platform};
use countersign_domain::factor::Factor;
use countersign_domain::sid::ServiceSid;
use countersign_domain::text::Identity;

use super::{BEGIN, Same, device, factor, service};
use crate::socket::close::{Close, End};
use crate::socket::greeting::{Claim, Greeting};
use crate::socket::protocol::Heard;

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
fn the_first_text_is_the_token_and_beats_are_none() {
    let greeting = greeting();
    assert_eq!(greeting.hear(Heard::Beat, BEGIN), Ok(None));
    assert_eq!(greeting.hear(Heard::Text("a.b.c"), BEGIN), Ok(Some("a.b.c")));
}

#[test]
fn whoever_says_nothing_for_five_seconds_is_refused() {
    let greeting = greeting();
    assert_eq!(greeting.deadline(), (BEGIN + 5 * SECOND).at);
    assert_eq!(greeting.tick(BEGIN + 4 * SECOND), Ok(()));
    let Err(End::Close(close)) = greeting.tick(BEGIN + 5 * SECOND) else { panic!("not refused") };
    assert_eq!((close.code, &reason(&close)["code"]), (4401, &20003.into()));
    assert_eq!(reason(&close)["server_time"], "2026-11-22T10:00:05Z");
    assert!(greeting.hear(Heard::Text("a.b.c"), BEGIN + 5 * SECOND).is_err(), "too late");
}

#[test]
fn what_is_no_text_ends_it() {
    for (heard, expected) in [
        (Heard::Binary, 1003),
        (Heard::NotUtf8, 1007),
        (Heard::TooLarge, 1009),
        (Heard::Violation, 1002),
        (Heard::Farewell, 0),
        (Heard::Silence, 0),
    ] {
        let end = greeting().hear(heard, BEGIN).unwrap_err();
        assert_eq!(code(&end), expected, "{heard:?}");
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
fn a_browser_gets_its_stream_beside_its_pushes() {
    let address = Address::from_stored(Platform::WebPush, Some("{}".to_owned()));
    let browser = Factor { address, ..device(7) };
    assert_eq!(Greeting::admit(&claim(), &browser, BEGIN), Ok(factor(7)));
}

#[test]
fn nobody_gets_another_stream_than_its_own() {
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
