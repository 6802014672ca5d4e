//! Everything that speaks HTTP: the API of Twilio Verify v2's push channel, byte for byte, and what is ours beside it.
//!
//! A handler turns a form into a value, calls one use case of `verify`, and shows what came of it. Every refusal goes
//! through one table (`error`); what is around every request, whatever becomes of it, is the `envelope`.

mod auth;
mod body;
mod envelope;
mod error;
mod fallback;
mod fetch_metadata;
mod headers;
mod held;
mod host;
pub mod openapi;
mod ops;
mod paging;
mod parameter_names;
mod params;
mod paths;
mod reply;
mod router;
mod routes;
mod rows;
mod run_to_end;
pub mod socket;
mod state;
#[cfg(test)]
mod tests;
mod urls;
mod v1;
mod v2;

pub use countersign_web::body::Allowance;
pub use ops::{Render, ops_router};
pub use router::router;
pub use socket::KeepsOpen;
pub use state::{ApiOptions, ApiState};
pub use urls::{NotPublicUrl, PublicUrl};
