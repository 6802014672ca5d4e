//! The clocks that deadlines are judged by. None of them jumps when the machine's clock is set.
//!
//! Both add the time that has passed by the machine's monotonic clock to their last reading of a time of day.
//! [`DatabaseClock`] reads PostgreSQL's clock, which all nodes share; [`SteadyClock`] reads the machine's, for
//! SQLite.

mod database;
mod offset;
mod source_clock;
mod steady;

pub(crate) use database::{DatabaseClock, read};
pub(crate) use steady::SteadyClock;
