//! For tests only: a hand-moved clock, seeded entropy, builders, a NATS server.

mod builders;
mod clock;
mod entropy;
mod keys;
mod nats;

pub use builders::Maker;
pub use clock::ManualClock;
pub use entropy::SeededEntropy;
pub use keys::device_key;
pub use nats::NatsServer;
