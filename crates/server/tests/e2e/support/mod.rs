//! Support shared by all tests.

mod api;
mod app;
mod held;
mod home;
mod raw;
mod scene;

pub use api::{ALWAYS, Caller, Reply};
pub use app::{TestApp, master_key};
pub use home::Home;
pub use raw::{exchange, open, request_bytes};
