//! Detects damaged and lost bytes in SQLite's files, which SQLite itself trusts.
//!
//! - `layer.rs`, `pages.rs`: a layer between SQLite and the file system gives each page of the database a checksum when it is written,
//!   and checks it when it is read.
//! - `log.rs`: a write-ahead log that is there at the start is checked, and put onto the disk.

mod checksum;
mod layer;
mod log;
mod pages;

pub use layer::{Ends, ends, install, is_wrong_page, reserve};
pub use log::secure;
