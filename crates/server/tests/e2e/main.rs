//! The real server, as an application and a device see it: the wiring of the binary, real HTTP and WebSockets on
//! loopback, a real database, and a clock whose hands the test moves.
#![allow(missing_docs, unreachable_pub, reason = "a test is read, not called")]

mod answers;
mod bodies;
mod bounds;
mod credentials;
mod foreign;
mod order;
mod plays;
mod support;
