//! The conversation with an authenticated device, with events in any order.

use std::time::Duration;

use countersign_bus::OfferOutcome;
use proptest::prelude::*;

use super::conversation::{pending, reception_of};
use super::{BEGIN, ack, factor};
use crate::socket::protocol::{LONGEST_LIFE, Linked, MOST_UNACKNOWLEDGED, Received};

#[derive(Debug, Clone)]
enum Step {
    Offer { n: u8, lives: u8 },
    Written,
    Ack(u8),
    Beat,
    Text(String),
    Wait(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (any::<u8>(), 0..30_u8).prop_map(|(n, lives)| Step::Offer { n, lives }),
        8 => Just(Step::Written),
        4 => any::<u8>().prop_map(Step::Ack),
        2 => Just(Step::Beat),
        1 => "\\PC{0,9}".prop_map(Step::Text),
        2 => (0..60_u8).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..500)
}

proptest! {
    /// For any order of events: no panic, no frame inside another, at most a hundred unacknowledged prompts, no expired prompt
    /// written, and exactly one reception for each offer.
    #[test]
    fn the_invariants_hold_for_any_order_of_events(steps in steps()) {
        let (mut linked, _) = Linked::begin(factor(7), BEGIN, LONGEST_LIFE);
        let (mut now, mut is_writing, mut open, mut end) = (BEGIN, true, Vec::new(), Ok(false));
        for step in steps {
            match step {
                Step::Offer { n, lives } => {
                    let has_room = linked.has_room();
                    prop_assert!(!(has_room && is_writing));
                    let (pending, reception) = pending(n, now.day + lives.into_duration());
                    let frame = linked.offer(pending, now);
                    prop_assert_eq!(frame.is_some(), has_room && lives > 0);
                    is_writing |= frame.is_some();
                    open.push((n, frame.is_some(), reception));
                }
                Step::Written => {
                    linked.written(now.at);
                    is_writing = false;
                }
                Step::Ack(n) => end = linked.receive(Received::Text(&ack(n)), now.at).map(|()| false),
                Step::Beat => end = linked.receive(Received::Beat, now.at).map(|()| false),
                Step::Text(text) => end = linked.receive(Received::Text(&text), now.at).map(|()| false),
                Step::Wait(seconds) => {
                    now = now + seconds.into_duration();
                    end = linked.tick(now.at);
                    is_writing |= end == Ok(true);
                    prop_assert!(end.is_err() || now.at < linked.deadline(), "all that was due is done");
                }
            }
            let mut waiting = 0;
            for (_, was_written, reception) in &mut open {
                if reception.is_terminated() { continue }
                match reception_of(reception) {
                    None => waiting += 1,
                    Some(OfferOutcome::NotConnected) => prop_assert!(!*was_written),
                    Some(OfferOutcome::Acknowledged | OfferOutcome::Unacknowledged) => prop_assert!(*was_written),
                    Some(OfferOutcome::Busy) => prop_assert!(false, "only the bus returns Busy"),
                }
            }
            prop_assert!(waiting <= MOST_UNACKNOWLEDGED + usize::from(is_writing));
            if end.is_err() { break }
        }
        drop(linked);
        for (_, _, reception) in &mut open {
            prop_assert!(reception.is_terminated() || reception_of(reception).is_some());
        }
    }
}

trait IntoDuration {
    fn into_duration(self) -> Duration;
}

impl IntoDuration for u8 {
    fn into_duration(self) -> Duration {
        Duration::from_secs(self.into())
    }
}
