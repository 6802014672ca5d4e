//! The contract of a database: the traits in the folder `seam`, and the rules that every backend keeps in the folder
//! `conformance`, as public code that each backend's tests run.

pub mod bounds;
#[cfg(feature = "conformance")]
#[expect(clippy::unwrap_used, reason = "these are tests, though public: an unwrap is an assertion")]
pub mod conformance;
pub mod document;
pub mod error;
pub mod health;
pub mod moving;
pub mod page;
pub mod schema;
pub mod seam;
pub mod tree;
pub mod wait_budget;

pub use error::{StoreError, StoreResult};
pub use moving::Moving;
pub use page::{Cursor, Order, Page, PageQuery, Side};
pub use seam::Store;
