//! The outcomes of leased deliveries, sorted by what must be written.

use countersign_domain::address::Address;
use countersign_domain::delivery::Delivery;
use countersign_domain::ending::{Ending, NotificationStatus};
use countersign_domain::node::NodeId;
use countersign_domain::outcome::AfterAttempt;
use countersign_domain::settled::{DeliveryEvent, Settled};
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store_sql::values::attempt_line;

use crate::clock::Tolerance;

pub(crate) type Key = (ChallengeSid, NotificationSid);

/// The outcome of one delivery.
#[derive(Clone)]
pub(crate) struct Outcome {
    pub(crate) settled: Settled,
    /// The record of the attempt; empty if none was made.
    pub(crate) line: String,
    /// Whether it ended at its deadline by a clock that was ahead, and has not reached it by the database's clock.
    is_premature: bool,
}

impl Outcome {
    /// Makes the record of the attempt.
    pub(crate) fn new(settled: &Settled) -> StoreResult<Self> {
        let line = attempt_line(&settled.event)?;
        Ok(Self { settled: settled.clone(), line, is_premature: false })
    }

    pub(crate) fn delivery(&self) -> &Delivery {
        &self.settled.lease.delivery
    }

    pub(crate) fn key(&self) -> Key {
        (self.delivery().challenge, self.delivery().notification)
    }

    /// The outcome by the database's clock, if the node's clock was ahead: its times are moved back by as much.
    pub(crate) fn by_the_databases_clock(
        &self,
        row: &Leased,
        tolerance: Tolerance,
    ) -> Option<Self> {
        let ahead = self.settled.at.since(row.read_at);
        if ahead <= tolerance.ahead {
            return None;
        }
        let mut outcome = self.clone();
        outcome.settled.at = row.read_at;
        outcome.is_premature = row.read_at < row.deadline;
        if let DeliveryEvent::Attempted { after: AfterAttempt::Retry { at }, .. } =
            &mut outcome.settled.event
        {
            *at = *at - ahead;
        }
        Some(outcome)
    }
}

/// The outcomes of several deliveries, by what must be written.
#[derive(Default)]
pub(crate) struct Work<'a> {
    pub(crate) written: Vec<&'a Outcome>,
    pub(crate) given_back: Vec<(&'a Outcome, &'static str, Instant)>,
    /// Each with the ordinal.
    pub(crate) finished: Vec<(&'a Outcome, i64, Ending)>,
    pub(crate) recorded: Vec<(&'a Outcome, i64)>,
    pub(crate) forgotten: Vec<(&'a Outcome, &'a Address, Instant)>,
}

impl<'a> Work<'a> {
    /// Adds the outcome of a delivery whose lease held.
    pub(crate) fn add(&mut self, outcome: &'a Outcome, ordinal: i64) {
        match &outcome.settled.event {
            // No row remembers that it was written, so it ends as `sent` at once; the ack can still make it `delivered`.
            DeliveryEvent::Written if outcome.delivery().once => {
                self.finished.push((outcome, ordinal, Ending::SENT));
            }
            DeliveryEvent::Written => self.written.push(outcome),
            DeliveryEvent::Ended(ending)
                if outcome.is_premature && ending.status == NotificationStatus::Expired =>
            {
                self.give_back(outcome, ordinal, "due", outcome.settled.at);
            }
            DeliveryEvent::Ended(ending) => self.finished.push((outcome, ordinal, *ending)),
            DeliveryEvent::Attempted { after, forget, .. } => {
                match *after {
                    AfterAttempt::Done(ending)
                        if outcome.is_premature && ending.status == NotificationStatus::Expired =>
                    {
                        self.give_back(outcome, ordinal, "due", outcome.settled.at);
                    }
                    AfterAttempt::Done(ending) => self.finished.push((outcome, ordinal, ending)),
                    AfterAttempt::Park => {
                        self.give_back(outcome, ordinal, "parked", outcome.delivery().deadline);
                    }
                    AfterAttempt::Retry { at } => self.give_back(outcome, ordinal, "due", at),
                }
                if let Some((address, before)) = forget {
                    self.forgotten.push((outcome, address, *before));
                }
            }
        }
    }

    fn give_back(
        &mut self,
        outcome: &'a Outcome,
        ordinal: i64,
        state: &'static str,
        wake_at: Instant,
    ) {
        self.given_back.push((outcome, state, wake_at));
        self.recorded.push((outcome, ordinal));
    }
}

/// The row of a leased delivery.
pub(crate) struct Leased {
    pub(crate) ordinal: i64,
    pub(crate) node: NodeId,
    pub(crate) until: Instant,
    pub(crate) deadline: Instant,
    /// The database's clock when the row was read.
    pub(crate) read_at: Instant,
}
