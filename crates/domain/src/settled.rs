//! Changes of a leased delivery, which the engine stores.

use crate::address::Address;
use crate::attempt_record::AttemptRecord;
use crate::delivery::Lease;
use crate::ending::Ending;
use crate::outcome::AfterAttempt;
use crate::time::Instant;

/// A change of a leased delivery, which the engine stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The lease under which it happened.
    pub lease: Lease,
    /// The change.
    pub event: DeliveryEvent,
    /// When it happened.
    pub at: Instant,
}

/// The changes of a leased delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryEvent {
    /// It was written to the device's stream. The lease continues.
    Written,
    /// An attempt was made.
    Attempted {
        /// The record of the attempt.
        record: AttemptRecord,
        /// The consequence of the attempt.
        after: AfterAttempt,
        /// The factor's address, if it is dead and was registered before that instant.
        forget: Option<(Address, Instant)>,
    },
    /// It ended without an attempt.
    Ended(Ending),
}
