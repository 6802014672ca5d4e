//! For tests only: a hand-moved clock, seeded entropy, builders.

mod builders;
mod clock;
mod entropy;
mod keys;

pub use builders::Maker;
pub use clock::ManualClock;
pub use entropy::SeededEntropy;
pub use keys::device_key;
