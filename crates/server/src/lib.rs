//! The binary: configuration, command line and wiring. No other crate knows all crates.
//!
//! It is also a library, so that end-to-end tests start the same server as the binary.

pub mod bus;
pub mod cli;
mod clock;
pub mod commands;
pub mod config;
pub mod database;
pub mod descriptors;
pub mod folder;
pub mod geo;
mod key_command;
pub mod listener;
pub mod master_key;
pub mod push;
pub mod reload;
pub mod secret_file;
pub mod signals;
mod surroundings;
pub mod telemetry;
pub mod test_mode;
mod transparency;
mod urls;
pub mod version;
pub mod wiring;
pub mod world;
