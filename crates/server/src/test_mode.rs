//! Test mode: `countersign serve --test-mode` and `countersign demo`. A tester moves the clock over HTTP, and has the server and what
//! is around it misbehave.
//!
//! Only for a test database of SQLite, and only on loopback. Nothing here runs without it: the wiring then makes none of these parts.

mod advance;
mod around;
mod banner;
mod callers;
mod checks;
mod clock;
mod clock_page;
mod desk;
mod device_bus;
mod held_calls;
mod manners;
mod manners_page;
mod mode;
mod outside;
mod reply;
mod stream_clock;

pub(crate) use around::around;
pub(crate) use callers::{Tested, TestedWebhooks};
pub(crate) use checks::{announce, check_file, check_settings, reject_test_database};
pub use clock::TestClock;
pub(crate) use device_bus::DeviceBus;
pub use mode::TestMode;
pub(crate) use stream_clock::StreamClock;
