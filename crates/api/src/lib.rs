//! The HTTP API: Twilio Verify v2's push channel, byte for byte, and the additions of this server.
//!
//! A handler parses a form, calls one use case of `verify`, and serializes the result. Every error is a row of one table
//! (`error`, `rows`). The `envelope` wraps every request.

mod auth;
mod body;
mod envelope;
mod error;
mod fallback;
mod fetch_metadata;
pub mod fuzzing;
mod headers;
mod held;
mod host;
mod log;
pub mod openapi;
mod ops;
mod paging;
mod parameter_names;
mod params;
mod paths;
mod refusal;
mod reply;
mod router;
mod routes;
mod rows;
mod run_to_end;
mod short_links;
pub mod socket;
mod state;
#[cfg(test)]
mod tests;
mod urls;
mod v1;
mod v2;

pub use countersign_web::body::BodyLimits;
pub use log::{LOG_PATH, log_router};
pub use ops::{Render, ops_router};
pub use refusal::refusal;
pub use router::router;
pub use socket::KeepsOpen;
pub use state::{ApiOptions, ApiState};
pub use urls::{PublicUrl, PublicUrlError};
