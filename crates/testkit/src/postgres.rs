//! PostgreSQL for tests: real servers, made of the binaries that the machine has, in temporary folders.
//!
//! Most tests need no more than a fresh database. They share one server, which the first of them starts and which a watchdog
//! stops a few seconds after the last process that used it has ended, however it ended. Tests that take a server down, or need
//! one with settings of its own, start a [`PostgresServer`].

mod database;
mod pgbouncer;
mod programs;
mod server;
mod shared;

pub use database::{OpenTransaction, TestDatabase};
pub use pgbouncer::PgBouncer;
pub use server::{PASSWORD, PostgresServer};
