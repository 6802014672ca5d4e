//! What a database must be able to do. `seam.rs` is the contract, `conformance` are the rules that every backend
//! keeps, as public code that each backend's tests run.

pub mod bounds;
pub mod codes;
#[cfg(feature = "conformance")]
#[expect(
    clippy::unwrap_used,
    reason = "these are tests, though public: what they unwrap is what they try"
)]
pub mod conformance;
pub mod document;
pub mod error;
pub mod health;
pub mod moving;
pub mod page;
pub mod patience;
pub mod schema;
pub mod seam;

pub use error::StoreError;
pub use moving::Moving;
pub use page::{Cursor, Order, Page, PageQuery, Side};
pub use seam::Store;
