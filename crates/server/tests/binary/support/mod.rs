//! The binary as a process, and an application that calls it.

mod application;
mod browser;
mod console_rows;
mod process;
pub mod proxy;

pub use application::{ACCOUNT, Application, TOKEN, client, client_without_redirects};
pub use browser::Browser;
pub use console_rows::console_rows;
pub use countersign_testkit::free_port;
pub use process::{Done, Running, Stage, mode, signal};
