//! For tests only: a hand-moved clock, seeded entropy, builders.

mod builders;
mod clock;
mod entropy;

pub use builders::{Maker, device_key};
pub use clock::ManualClock;
pub use entropy::SeededEntropy;
