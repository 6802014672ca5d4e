//! What every play needs.

mod api;
mod app;

pub use api::Reply;
pub use app::TestApp;
