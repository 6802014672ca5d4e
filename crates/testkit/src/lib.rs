//! Helpers for tests and for the benchmark: a manual clock, seeded entropy, fixtures, servers of PostgreSQL and NATS,
//! and histories of clients with their checker.

mod builders;
mod clock;
mod entropy;
pub mod history;
mod keys;
pub mod mmdb;
mod nats;
mod ports;
pub mod postgres;
pub mod proxy;

pub use builders::Fixtures;
pub use clock::{ManualClock, SkewedClock};
pub use entropy::SeededEntropy;
pub use keys::device_key;
pub use nats::NatsServer;
pub use ports::free_port;
