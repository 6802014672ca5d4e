//! Histories: what the clients of real servers asked and were told, and a checker that judges them.

mod checker;
mod entry;
#[cfg(test)]
mod tests;

pub use checker::{Bounds, Rule, Violation, judge};
pub use entry::{Entry, History, Known, Listed, Reply};
