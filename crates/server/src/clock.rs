//! The clocks that deadlines are judged by. None of them jumps when the machine's clock is set.
//!
//! Both add up the time since their last reading on the machine's monotonic hand. [`DatabaseClock`] is read off PostgreSQL's
//! clock, which is one for all nodes; [`SteadyClock`] off the machine's own, for SQLite, where there is no other.

mod database;
mod follower;
mod origin;
mod steady;

pub(crate) use database::{DatabaseClock, read};
pub(crate) use steady::SteadyClock;
