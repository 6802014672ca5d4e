//! The bus: how the parts of this server and its nodes notify each other. A message may be lost: that costs latency, never a
//! push, since everything that must not be lost is a row in the database.
//!
//! [`seam`] is the contract; [`local`] implements it within one process, [`nats`] between processes. [`handover`] passes stored
//! deliveries to the engine of the same process.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod fuzzing;
pub mod handover;
pub mod local;
pub mod nats;
pub mod seam;

pub use handover::{HandOver, Leased, Slot, Work};
pub use local::LocalBus;
pub use nats::NatsBus;
pub use seam::{
    Attachment, Bus, Changed, Detached, Link, Offer, OfferOutcome, PendingOffer, ToDevice, Watch,
};
