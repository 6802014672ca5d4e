//! The conversation with an authenticated device, driven by hand: no socket, no clock, no waiting.

use std::time::Duration;

use countersign_bus::{Detached, OfferOutcome, PendingOffer, ToDevice};
use countersign_domain::time::Instant;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::oneshot::{self, Receiver};

use super::{BEGIN, ack, an_offer, factor};
use crate::socket::close::{Close, End};
use crate::socket::now::Now;
use crate::socket::protocol::{LONGEST_LIFE, Linked, Received, parted};

const SECOND: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(3_600);

/// A conversation whose first frame has been written.
fn linked() -> Linked {
    let (mut linked, first) = Linked::begin(factor(7), BEGIN, LONGEST_LIFE);
    assert!(first.starts_with(r#"{"type":"linked""#));
    assert!(!linked.has_room(), "nothing is written before the first frame");
    linked.written(BEGIN.at);
    linked
}

pub(super) fn pending(n: u8, expires_at: Instant) -> (PendingOffer, Receiver<OfferOutcome>) {
    let (reply, reception) = oneshot::channel();
    (PendingOffer { offer: an_offer(n, expires_at), reply }, reception)
}

/// Offers a prompt and writes it.
fn offer(linked: &mut Linked, n: u8, now: Now) -> Receiver<OfferOutcome> {
    let (pending, reception) = pending(n, now.day + LATER);
    assert!(linked.offer(pending, now).is_some());
    linked.written(now.at);
    reception
}

/// The reception of an offer, if there is one. A dropped reply reads as `Nobody`.
pub(super) fn reception_of(reception: &mut Receiver<OfferOutcome>) -> Option<OfferOutcome> {
    match reception.try_recv() {
        Ok(reception) => Some(reception),
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Closed) => Some(OfferOutcome::NotConnected),
    }
}

#[test]
fn the_end_of_a_prompt_is_one_frame_that_waits_for_no_ack() {
    let mut linked = linked();
    let mut one = offer(&mut linked, 1, BEGIN);
    let challenge = an_offer(1, BEGIN.day).challenge;
    let told = ToDevice::AnsweredElsewhere { factor: factor(7), challenge };
    let frame = linked.take(told, BEGIN);
    assert!(frame.unwrap().starts_with(r#"{"type":"challenge_ended""#));
    assert!(!linked.has_room(), "until it is written");
    linked.written(BEGIN.at);
    assert!(linked.has_room());
    assert_eq!(linked.receive(Received::Text(&ack(1)), BEGIN.at), Ok(()));
    assert_eq!(reception_of(&mut one), Some(OfferOutcome::Acknowledged));
}

#[test]
fn an_ack_settles_one_prompt_once() {
    let mut linked = linked();
    let (mut one, mut two) = (offer(&mut linked, 1, BEGIN), offer(&mut linked, 2, BEGIN));
    assert_eq!(linked.receive(Received::Text(&ack(2)), BEGIN.at), Ok(()));
    assert_eq!(
        (reception_of(&mut one), reception_of(&mut two)),
        (None, Some(OfferOutcome::Acknowledged))
    );
    assert_eq!(linked.receive(Received::Text(&ack(2)), BEGIN.at), Ok(()), "again: changes nothing");
    assert_eq!(
        linked.receive(Received::Text(&ack(3)), BEGIN.at),
        Ok(()),
        "unknown: changes nothing"
    );
    drop(linked);
    assert_eq!(reception_of(&mut one), Some(OfferOutcome::Unacknowledged));
}

#[test]
fn an_ack_may_arrive_before_the_notice_of_the_write() {
    let mut linked = linked();
    let (pending, mut reception) = pending(1, BEGIN.day + LATER);
    assert!(linked.offer(pending, BEGIN).is_some());
    assert_eq!(linked.receive(Received::Text(&ack(1)), BEGIN.at), Ok(()));
    assert_eq!(reception_of(&mut reception), Some(OfferOutcome::Acknowledged));
    assert!(!linked.has_room(), "it is still being written");
    linked.written(BEGIN.at);
    assert!(linked.has_room());
}

#[test]
fn without_an_ack_a_prompt_is_unacknowledged_after_ten_seconds() {
    let mut linked = linked();
    let mut reception = offer(&mut linked, 1, BEGIN + 3 * SECOND);
    assert_eq!(linked.deadline(), (BEGIN + 13 * SECOND).at);
    assert_eq!(linked.tick((BEGIN + 12 * SECOND).at), Ok(false));
    assert_eq!(reception_of(&mut reception), None);
    assert_eq!(linked.tick((BEGIN + 13 * SECOND).at), Ok(false));
    assert_eq!(reception_of(&mut reception), Some(OfferOutcome::Unacknowledged));
    assert_eq!(linked.receive(Received::Text(&ack(1)), (BEGIN + 14 * SECOND).at), Ok(()));
}

#[test]
fn at_most_a_hundred_prompts_wait_for_their_ack() {
    let mut linked = linked();
    let mut receptions: Vec<_> = (0..100).map(|n| offer(&mut linked, n, BEGIN)).collect();
    assert!(!linked.has_room());
    let (more, mut turned_away) = pending(200, BEGIN.day + LATER);
    assert_eq!(linked.offer(more, BEGIN), None);
    assert_eq!(reception_of(&mut turned_away), Some(OfferOutcome::NotConnected));
    assert_eq!(linked.receive(Received::Text(&ack(50)), BEGIN.at), Ok(()));
    assert!(linked.has_room());
    assert_eq!(reception_of(&mut receptions[50]), Some(OfferOutcome::Acknowledged));
}

#[test]
fn an_expired_prompt_is_not_written() {
    let mut linked = linked();
    let (pending, mut reception) = pending(1, BEGIN.day + SECOND);
    assert_eq!(linked.offer(pending, BEGIN + SECOND), None);
    assert_eq!(reception_of(&mut reception), Some(OfferOutcome::NotConnected));
    assert!(linked.has_room());
}

#[test]
fn a_prompt_that_was_not_written_was_received_by_nobody() {
    let mut linked = linked();
    let (pending, mut reception) = pending(1, BEGIN.day + LATER);
    assert!(linked.offer(pending, BEGIN).is_some());
    drop(linked);
    assert_eq!(reception_of(&mut reception), Some(OfferOutcome::NotConnected));
}

#[test]
fn it_pings_every_45_seconds_and_a_silent_device_is_gone_after_100() {
    let mut linked = linked();
    assert_eq!(linked.deadline(), (BEGIN + 45 * SECOND).at);
    assert_eq!(linked.tick((BEGIN + 44 * SECOND).at), Ok(false));
    assert_eq!(linked.tick((BEGIN + 45 * SECOND).at), Ok(true));
    linked.written((BEGIN + 45 * SECOND).at);
    assert_eq!(linked.receive(Received::Beat, (BEGIN + 46 * SECOND).at), Ok(()));
    assert_eq!(linked.tick((BEGIN + 90 * SECOND).at), Ok(true));
    linked.written((BEGIN + 90 * SECOND).at);
    assert_eq!(linked.tick((BEGIN + 135 * SECOND).at), Ok(true));
    linked.written((BEGIN + 135 * SECOND).at);
    assert_eq!(linked.deadline(), (BEGIN + 146 * SECOND).at);
    assert_eq!(linked.tick((BEGIN + 145 * SECOND).at), Ok(false));
    assert_eq!(linked.tick((BEGIN + 146 * SECOND).at), Err(Close::SILENT.into()));
}

#[test]
fn a_blocked_connection_is_lost_after_ten_seconds() {
    let (mut linked, _) = Linked::begin(factor(7), BEGIN, LONGEST_LIFE);
    assert_eq!(linked.deadline(), (BEGIN + 10 * SECOND).at);
    assert_eq!(linked.tick((BEGIN + 10 * SECOND).at), Err(End::Lost));
}

#[test]
fn no_ping_is_written_inside_a_frame() {
    let mut linked = linked();
    let now = BEGIN + 40 * SECOND;
    let (pending, _reception) = pending(1, now.day + LATER);
    assert!(linked.offer(pending, now).is_some());
    assert_eq!(linked.tick((BEGIN + 45 * SECOND).at), Ok(false));
    linked.written((BEGIN + 46 * SECOND).at);
    assert_eq!(linked.tick((BEGIN + 90 * SECOND).at), Ok(true));
}

#[test]
fn a_connection_lasts_at_most_an_hour() {
    for (life, ends) in [(LATER / 2, LATER / 2), (2 * LATER, LATER)] {
        let (mut linked, _) = Linked::begin(factor(7), BEGIN, life);
        linked.written(BEGIN.at);
        let just_before = BEGIN + (ends - SECOND);
        assert_eq!(linked.receive(Received::Beat, just_before.at), Ok(()));
        assert_eq!(linked.tick(just_before.at), Ok(true));
        linked.written(just_before.at);
        assert_eq!(linked.tick((BEGIN + ends).at), Err(Close::OLD.into()));
    }
}

#[test]
fn every_row_of_the_close_table() {
    for (received, code) in [
        (Received::Text("no json"), 1007),
        (Received::Text("[]"), 1007),
        (Received::Text("{}"), 1002),
        (Received::Text(r#"{"type":"weather"}"#), 1002),
        (Received::Text(&"x".repeat(4097)), 1009),
        (Received::Binary, 1003),
        (Received::NotUtf8, 1007),
        (Received::TooLarge, 1009),
        (Received::Violation, 1002),
    ] {
        let Err(End::Close(close)) = linked().receive(received, BEGIN.at) else {
            panic!("{received:?}")
        };
        assert_eq!(close.code, code, "{received:?}");
    }
    assert_eq!(linked().receive(Received::Farewell, BEGIN.at), Err(End::Left));
    assert_eq!(linked().receive(Received::Silence, BEGIN.at), Err(End::Lost));
    assert_eq!(parted(Some(Detached::Replaced)).code, 4409);
    assert_eq!(parted(Some(Detached::Dismissed)).code, 4404);
    assert_eq!(parted(None).code, 1001);
    assert_eq!(Close::STOPPING.code, 1001);
    assert_eq!((Close::OVERLOADED.code, Close::TOO_OFTEN.code), (1013, 1013));
}
