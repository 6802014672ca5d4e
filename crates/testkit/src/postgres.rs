//! PostgreSQL for tests: real servers from the installed programs, in temporary folders.
//!
//! Most tests need a fresh database. They share one server, which the first of them starts and a watchdog stops a few
//! seconds after the last process that used it has ended. Tests that stop a server, or need special settings, start a
//! [`PostgresServer`].

mod database;
mod pgbouncer;
mod programs;
mod server;
mod shared;

pub use database::{OpenTransaction, TestDatabase};
pub use pgbouncer::PgBouncer;
pub use server::{PASSWORD, PostgresServer};
