//! The conversation with a device that is known, by hand: no socket, no clock, no waiting.

use std::time::Duration;

use countersign_bus::{Detached, OfferOutcome, PendingOffer};
use countersign_domain::time::Instant;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::oneshot::{self, Receiver};

use super::{BEGIN, ack, an_offer, factor};
use crate::socket::Now;
use crate::socket::close::{Close, End};
use crate::socket::protocol::{Heard, LONGEST_LIFE, Linked, parted};

const SECOND: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(3_600);

/// A conversation whose first frame has left.
fn linked() -> Linked {
    let (mut linked, first) = Linked::begin(factor(7), BEGIN, LONGEST_LIFE);
    assert!(first.starts_with(r#"{"type":"linked""#));
    assert!(!linked.has_room(), "nothing before the linked frame has left");
    linked.written(BEGIN.at);
    linked
}

pub(super) fn pending(n: u8, expires_at: Instant) -> (PendingOffer, Receiver<OfferOutcome>) {
    let (reply, reception) = oneshot::channel();
    (PendingOffer { offer: an_offer(n, expires_at), reply }, reception)
}

/// Offers a prompt, and lets it leave.
fn offer(linked: &mut Linked, n: u8, now: Now) -> Receiver<OfferOutcome> {
    let (pending, reception) = pending(n, now.day + LATER);
    assert!(linked.offer(pending, now).is_some());
    linked.written(now.at);
    reception
}

/// What became of an offer: nothing yet, or something; a reply that was dropped reads as `Nobody`.
pub(super) fn fate(reception: &mut Receiver<OfferOutcome>) -> Option<OfferOutcome> {
    match reception.try_recv() {
        Ok(reception) => Some(reception),
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Closed) => Some(OfferOutcome::NotConnected),
    }
}

#[test]
fn an_ack_settles_one_prompt_once() {
    let mut linked = linked();
    let (mut one, mut two) = (offer(&mut linked, 1, BEGIN), offer(&mut linked, 2, BEGIN));
    assert_eq!(linked.hear(Heard::Text(&ack(2)), BEGIN.at), Ok(()));
    assert_eq!((fate(&mut one), fate(&mut two)), (None, Some(OfferOutcome::Acknowledged)));
    assert_eq!(linked.hear(Heard::Text(&ack(2)), BEGIN.at), Ok(()), "again: changes nothing");
    assert_eq!(linked.hear(Heard::Text(&ack(3)), BEGIN.at), Ok(()), "unknown: changes nothing");
    drop(linked);
    assert_eq!(fate(&mut one), Some(OfferOutcome::Unacknowledged));
}

#[test]
fn an_ack_may_overtake_the_news_that_the_prompt_has_left() {
    let mut linked = linked();
    let (pending, mut reception) = pending(1, BEGIN.day + LATER);
    assert!(linked.offer(pending, BEGIN).is_some());
    assert_eq!(linked.hear(Heard::Text(&ack(1)), BEGIN.at), Ok(()));
    assert_eq!(fate(&mut reception), Some(OfferOutcome::Acknowledged));
    assert!(!linked.has_room(), "it is still being written");
    linked.written(BEGIN.at);
    assert!(linked.has_room());
}

#[test]
fn without_an_ack_it_is_given_up_after_ten_seconds_and_a_late_ack_changes_nothing() {
    let mut linked = linked();
    let mut reception = offer(&mut linked, 1, BEGIN + 3 * SECOND);
    assert_eq!(linked.deadline(), (BEGIN + 13 * SECOND).at);
    assert_eq!(linked.tick((BEGIN + 12 * SECOND).at), Ok(false));
    assert_eq!(fate(&mut reception), None);
    assert_eq!(linked.tick((BEGIN + 13 * SECOND).at), Ok(false));
    assert_eq!(fate(&mut reception), Some(OfferOutcome::Unacknowledged));
    assert_eq!(linked.hear(Heard::Text(&ack(1)), (BEGIN + 14 * SECOND).at), Ok(()));
}

#[test]
fn a_hundred_wait_for_their_ack_and_no_more() {
    let mut linked = linked();
    let mut receptions: Vec<_> = (0..100).map(|n| offer(&mut linked, n, BEGIN)).collect();
    assert!(!linked.has_room());
    let (more, mut turned_away) = pending(200, BEGIN.day + LATER);
    assert_eq!(linked.offer(more, BEGIN), None);
    assert_eq!(fate(&mut turned_away), Some(OfferOutcome::NotConnected));
    assert_eq!(linked.hear(Heard::Text(&ack(50)), BEGIN.at), Ok(()));
    assert!(linked.has_room());
    assert_eq!(fate(&mut receptions[50]), Some(OfferOutcome::Acknowledged));
}

#[test]
fn a_prompt_that_must_not_be_shown_any_more_is_not_written() {
    let mut linked = linked();
    let (pending, mut reception) = pending(1, BEGIN.day + SECOND);
    assert_eq!(linked.offer(pending, BEGIN + SECOND), None);
    assert_eq!(fate(&mut reception), Some(OfferOutcome::NotConnected));
    assert!(linked.has_room());
}

#[test]
fn what_had_not_left_when_it_ended_was_received_by_nobody() {
    let mut linked = linked();
    let (pending, mut reception) = pending(1, BEGIN.day + LATER);
    assert!(linked.offer(pending, BEGIN).is_some());
    drop(linked);
    assert_eq!(fate(&mut reception), Some(OfferOutcome::NotConnected));
}

#[test]
fn it_pings_every_45_seconds_and_whoever_is_silent_is_gone_after_100() {
    let mut linked = linked();
    assert_eq!(linked.deadline(), (BEGIN + 45 * SECOND).at);
    assert_eq!(linked.tick((BEGIN + 44 * SECOND).at), Ok(false));
    assert_eq!(linked.tick((BEGIN + 45 * SECOND).at), Ok(true));
    linked.written((BEGIN + 45 * SECOND).at);
    assert_eq!(linked.hear(Heard::Beat, (BEGIN + 46 * SECOND).at), Ok(()));
    assert_eq!(linked.tick((BEGIN + 90 * SECOND).at), Ok(true));
    linked.written((BEGIN + 90 * SECOND).at);
    assert_eq!(linked.tick((BEGIN + 135 * SECOND).at), Ok(true));
    linked.written((BEGIN + 135 * SECOND).at);
    assert_eq!(linked.deadline(), (BEGIN + 146 * SECOND).at);
    assert_eq!(linked.tick((BEGIN + 145 * SECOND).at), Ok(false));
    assert_eq!(linked.tick((BEGIN + 146 * SECOND).at), Err(Close::SILENT.into()));
}

#[test]
fn a_connection_that_takes_nothing_is_lost_after_ten_seconds() {
    let (mut linked, _) = Linked::begin(factor(7), BEGIN, LONGEST_LIFE);
    assert_eq!(linked.deadline(), (BEGIN + 10 * SECOND).at);
    assert_eq!(linked.tick((BEGIN + 10 * SECOND).at), Err(End::Lost));
}

#[test]
fn no_ping_is_written_into_a_frame() {
    let mut linked = linked();
    let now = BEGIN + 40 * SECOND;
    let (pending, _reception) = pending(1, now.day + LATER);
    assert!(linked.offer(pending, now).is_some());
    assert_eq!(linked.tick((BEGIN + 45 * SECOND).at), Ok(false));
    linked.written((BEGIN + 46 * SECOND).at);
    assert_eq!(linked.tick((BEGIN + 90 * SECOND).at), Ok(true));
}

#[test]
fn a_connection_lives_an_hour_at_most() {
    for (life, ends) in [(LATER / 2, LATER / 2), (2 * LATER, LATER)] {
        let (mut linked, _) = Linked::begin(factor(7), BEGIN, life);
        linked.written(BEGIN.at);
        let just_before = BEGIN + (ends - SECOND);
        assert_eq!(linked.hear(Heard::Beat, just_before.at), Ok(()));
        assert_eq!(linked.tick(just_before.at), Ok(true));
        linked.written(just_before.at);
        assert_eq!(linked.tick((BEGIN + ends).at), Err(Close::OLD.into()));
    }
}

#[test]
fn every_row_of_the_close_table() {
    for (heard, code) in [
        (Heard::Text("no json"), 1007),
        (Heard::Text("[]"), 1007),
        (Heard::Text("{}"), 1002),
        (Heard::Text(r#"{"type":"weather"}"#), 1002),
        (Heard::Text(&"x".repeat(4097)), 1009),
        (Heard::Binary, 1003),
        (Heard::NotUtf8, 1007),
        (Heard::TooLarge, 1009),
        (Heard::Violation, 1002),
    ] {
        let Err(End::Close(close)) = linked().hear(heard, BEGIN.at) else { panic!("{heard:?}") };
        assert_eq!(close.code, code, "{heard:?}");
    }
    assert_eq!(linked().hear(Heard::Farewell, BEGIN.at), Err(End::Left));
    assert_eq!(linked().hear(Heard::Silence, BEGIN.at), Err(End::Lost));
    assert_eq!(parted(Some(Detached::Replaced)).code, 4409);
    assert_eq!(parted(Some(Detached::Dismissed)).code, 4404);
    assert_eq!(parted(None).code, 1001);
    assert_eq!(Close::STOPPING.code, 1001);
    assert_eq!((Close::OVERLOADED.code, Close::TOO_OFTEN.code), (1013, 1013));
}
