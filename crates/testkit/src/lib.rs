//! For tests only: a hand-moved clock, seeded entropy, builders.
