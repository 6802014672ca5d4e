//! The phone against small servers that tests drive, and the documented vectors.

mod calls;
mod fake_api;
mod fake_stream;
mod listening;
mod streaming;
mod tls;
pub(crate) mod vectors;
