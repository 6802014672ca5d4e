//! The OpenID provider, by a client that speaks it itself.

mod ciba;
mod client;
mod keys;
mod ping;
mod refusals;

pub use client::Client;

/// The person whom the client knows as `ann`.
pub const ANN: &str = "alice-0001";
