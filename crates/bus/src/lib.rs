//! How parts and nodes nudge each other. Losing a message is allowed: it costs latency, never a push, since whatever
//! must not be lost is a row in the database.
//!
//! [`seam`] is what a bus must be able to do; [`local`] does it within one process, [`nats`] between processes. [`handover`] is the short way from
//! whoever stores a delivery to the engine beside it.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod handover;
pub mod local;
pub mod nats;
pub mod seam;

pub use handover::{HandOver, Leased, Slot, Work};
pub use local::LocalBus;
pub use nats::NatsBus;
pub use seam::{Attachment, Bus, Changed, Link, Offer, Parting, Pending, Reception, Watch};
