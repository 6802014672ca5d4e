//! What happened to a leased delivery, to be stored.

use crate::address::Address;
use crate::attempt_record::AttemptRecord;
use crate::delivery::Lease;
use crate::ending::Ending;
use crate::outcome::AfterAttempt;
use crate::time::Instant;

/// A change of a leased delivery that is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The lease under which it happened.
    pub lease: Lease,
    /// What happened.
    pub event: DeliveryEvent,
    /// When it happened.
    pub at: Instant,
}

/// What can happen to a leased delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryEvent {
    /// It was written to the device's stream. The lease continues.
    Written,
    /// An attempt was made.
    Attempted {
        /// The record of the attempt.
        record: AttemptRecord,
        /// What follows from it.
        after: AfterAttempt,
        /// The factor's address, if it is dead and was registered before that instant.
        forget: Option<(Address, Instant)>,
    },
    /// It ended without an attempt.
    Ended(Ending),
}
