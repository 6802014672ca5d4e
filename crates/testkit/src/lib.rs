//! For tests, and for the benchmark that needs servers: a hand-moved clock, seeded entropy, builders, PostgreSQL and NATS.

mod builders;
mod clock;
mod entropy;
mod keys;
mod nats;
pub mod postgres;
pub mod wire;

pub use builders::Maker;
pub use clock::{ManualClock, WrongClock};
pub use entropy::SeededEntropy;
pub use keys::device_key;
pub use nats::NatsServer;
