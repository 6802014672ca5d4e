//! The simulation: several nodes with the real use cases and the real delivery engine, their devices and clients, a database in
//! memory, a bus, push services and clocks, all in one thread and in simulated time. One seed decides everything that happens, so a run
//! can be repeated exactly.
//!
//! ```text
//! cargo run -p countersign-sim -- --seed 7
//! ```
//!
//! | file | what it is |
//! | --- | --- |
//! | `run.rs` | one run, from its seed to the judged history |
//! | `weather.rs`, `trouble.rs` | which faults there are, and those that strike nodes as a whole |
//! | `node.rs` | a node, wired as the server wires it |
//! | `database.rs`, `bus.rs`, `push_service.rs`, `clock.rs`, `gate.rs` | what is around a node, and how it fails |
//! | `application.rs`, `device.rs`, `person.rs`, `world.rs` | who uses the nodes |
//! | `history.rs`, `checker.rs` | what happened, and whether it may |
//! | `bugs.rs` | bugs that can be put back, to show that they are found |

mod application;
pub mod bugs;
mod bus;
pub mod checker;
mod clock;
mod database;
mod device;
mod dice;
mod gate;
pub mod history;
mod node;
mod person;
mod push_service;
mod run;
mod trouble;
mod weather;
mod world;

pub use bugs::Bug;
pub use run::{Report, Settings, run};
