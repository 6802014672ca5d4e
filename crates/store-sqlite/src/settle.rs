//! The command that settles leased deliveries: all of a slice at once.

use countersign_domain::address::PushToken;
use countersign_domain::delivery::Delivery;
use countersign_domain::ending::{Ending, NotificationStatus, StatusReason};
use countersign_domain::outcome::AfterAttempt;
use countersign_domain::settled::{DeliveryEvent, Settled};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Settlement;
use countersign_store_sql::rows::deliveries::OpenDelivery;
use countersign_store_sql::values::attempt_line;
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::endings::{self, close, ordinal, record};
use crate::error::DatabaseError;
use crate::events;
use crate::prospect::LEASE_HOLDS;
use crate::statement::{all, execute, one, statements};

statements! {
    WRITTEN = "UPDATE deliveries SET written = true, changed_at = ?3 WHERE challenge_sid = ?1 AND notification_sid = ?2";
    /// A parked delivery wakes at its deadline, a due one before it.
    GIVE_BACK = "UPDATE deliveries SET state = ?3, node = NULL, wake_at = min(?4, deadline), attempts = attempts + 1, \
                 written = false, changed_at = ?5 WHERE challenge_sid = ?1 AND notification_sid = ?2";
    /// The `+` keeps SQLite from passing the parked deliveries of everybody.
    OLDER_PARKED = "SELECT challenge_sid, notification_sid, ordinal, written FROM deliveries \
                    WHERE challenge_sid = ?1 AND +state = 'parked' AND ordinal < ?2";
    /// Only if the address was not registered again since.
    FORGET = "UPDATE factors SET token = NULL, updated_at = ?6 WHERE entity_sid = ?1 AND sid = ?2 AND platform = ?3 \
              AND token = ?4 AND addressed_at < ?5";
}

/// Settles deliveries.
pub(crate) struct Settle(Vec<Item>);

struct Item {
    settled: Settled,
    /// The record of the attempt; empty if none was made.
    line: String,
}

impl Settle {
    /// Makes the records before the command is queued.
    pub(crate) fn of(settled: &[Settled]) -> StoreResult<Self> {
        let item = |settled: &Settled| {
            Ok(Item { settled: settled.clone(), line: attempt_line(&settled.event)? })
        };
        settled.iter().map(item).collect::<StoreResult<_>>().map(Self)
    }
}

impl Command for Settle {
    type Output = Settlement;

    fn run(&self, db: &Connection) -> Result<Settlement, DatabaseError> {
        let mut lost = Vec::new();
        for item in &self.0 {
            if !item.settle(db)? {
                lost.push(item.settled.lease.delivery.notification);
            }
        }
        Ok(Settlement { lost, may_cause_calls: events::notifications_are_wanted(db)? })
    }
}

impl Item {
    /// Settles one delivery. Returns whether its lease held. A delivery with `Ttl=0` has no row, so its lease cannot be lost.
    fn settle(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let lease = &self.settled.lease;
        let (challenge, notification) = (lease.delivery.challenge, lease.delivery.notification);
        let held = if lease.delivery.once {
            ordinal(db, challenge, notification)?
        } else {
            let key = params![
                challenge.as_bytes(),
                notification.as_bytes(),
                lease.node.0,
                lease.until.as_micros()
            ];
            one(db, LEASE_HOLDS, key, |row| cells_of(row, "deliveries").take())?
        };
        if let Some(ordinal) = held {
            self.write(db, ordinal)?;
        } else if !self.line.is_empty()
            && let Some(ordinal) = ordinal(db, challenge, notification)?
        {
            record(db, challenge, ordinal, &self.line, self.settled.at)?;
        }
        Ok(held.is_some())
    }

    fn write(&self, db: &Connection, ordinal: i64) -> Result<(), DatabaseError> {
        let delivery = &self.settled.lease.delivery;
        let at = self.settled.at;
        match &self.settled.event {
            // No row remembers that it was written, so it ends as `sent` at once; the ack can still make it `delivered`.
            DeliveryEvent::Written if delivery.once => self.finish(db, ordinal, Ending::SENT),
            DeliveryEvent::Written => {
                let (challenge, notification) = self.key();
                execute(db, WRITTEN, params![challenge, notification, at.as_micros()]).map(|_| ())
            }
            DeliveryEvent::Ended(ending) => self.finish(db, ordinal, *ending),
            DeliveryEvent::Attempted { after, forget, .. } => {
                match *after {
                    AfterAttempt::Done(ending) => self.finish(db, ordinal, ending)?,
                    AfterAttempt::Park => {
                        self.give_back(db, ordinal, "parked", delivery.deadline)?;
                    }
                    AfterAttempt::Retry { at } => self.give_back(db, ordinal, "due", at)?,
                }
                let Some((address, before)) = forget else {
                    return Ok(());
                };
                let params = params![
                    delivery.entity.as_bytes(),
                    delivery.factor.as_bytes(),
                    address.platform().as_str(),
                    address.token().map(PushToken::expose),
                    before.as_micros(),
                    at.as_micros(),
                ];
                execute(db, FORGET, params).map(|_| ())
            }
        }
    }

    fn key(&self) -> (&[u8; 16], &[u8; 16]) {
        let delivery = &self.settled.lease.delivery;
        (delivery.challenge.as_bytes(), delivery.notification.as_bytes())
    }

    fn finish(&self, db: &Connection, ordinal: i64, ending: Ending) -> Result<(), DatabaseError> {
        let delivery = &self.settled.lease.delivery;
        let at = self.settled.at;
        if !delivery.once {
            endings::delete(db, delivery.challenge, delivery.notification)?;
        }
        let closed = close(db, delivery.challenge, ordinal, ending, &self.line, at)?;
        if !closed && !self.line.is_empty() {
            record(db, delivery.challenge, ordinal, &self.line, at)?;
        }
        if closed && ending.status == NotificationStatus::Delivered {
            supersede(db, delivery, ordinal, at)?;
        }
        Ok(())
    }

    fn give_back(
        &self,
        db: &Connection,
        ordinal: i64,
        state: &str,
        wake_at: Instant,
    ) -> Result<(), DatabaseError> {
        let (challenge, notification) = self.key();
        let at = self.settled.at;
        let params = params![challenge, notification, state, wake_at.as_micros(), at.as_micros()];
        execute(db, GIVE_BACK, params)?;
        let challenge = self.settled.lease.delivery.challenge;
        record(db, challenge, ordinal, &self.line, at)
    }
}

/// Cancels the older parked deliveries of a challenge, after the device has got a newer notification of it.
fn supersede(
    db: &Connection,
    delivery: &Delivery,
    ordinal: i64,
    at: Instant,
) -> Result<(), DatabaseError> {
    let key = params![delivery.challenge.as_bytes(), ordinal];
    for older in
        all(db, OLDER_PARKED, key, |row| OpenDelivery::read(&mut cells_of(row, "deliveries")))?
    {
        endings::end(db, &older, Ending::cancelled(StatusReason::Superseded), at)?;
    }
    Ok(())
}
