//! The bus between processes, over core NATS; servers from version 2.2 on.
//!
//! | subject, below the prefix | subscriber | messages (`wire.rs`) |
//! | --- | --- | --- |
//! | `device.<factor>` | the node that holds the device's socket | offers, whether one is still in hand, and whether the device is present; "no responders": no node holds it |
//! | `all` | every node | a challenge has changed, something in caches has changed |
//! | `inbox.<node>.*` | one node | replies to its requests |
//!
//! Every message is sealed (`seal.rs`): NATS and its other users can neither read nor forge one.
//!
//! A [`LocalBus`](crate::local::LocalBus) serves this process and is asked first. While no server can be reached it is all there
//! is: [`Link::Down`](crate::seam::Link::Down). The client reconnects by itself, with all subscriptions.

mod bus;
mod connection;
mod device;
mod holds;
mod link;
mod node;
mod requests;
mod responder;
mod seal;
pub(crate) mod wire;

pub use bus::NatsBus;
pub use connection::{Login, NatsError, NatsOptions};
pub use seal::SealingKey;
