//! The binary's own crate: configuration, command line and wiring. The only one that knows all the others.
//!
//! It is a library too, so that end-to-end tests start the very server that the binary starts.

pub mod bus;
pub mod cli;
mod clock;
pub mod commands;
pub mod config;
pub mod database;
pub mod descriptors;
pub mod folder;
pub mod listener;
pub mod master_key;
pub mod push;
pub mod reload;
pub mod secret_file;
pub mod signals;
pub mod telemetry;
mod urls;
pub mod wiring;
pub mod world;
