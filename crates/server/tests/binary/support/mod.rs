//! The binary as a process, and an application that calls it.

mod application;
mod process;
pub mod proxy;

pub use application::{ACCOUNT, Application, TOKEN, client};
pub use process::{Done, Running, Stage, free_port, mode, signal};
