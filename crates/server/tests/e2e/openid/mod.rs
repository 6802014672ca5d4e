//! The OpenID provider, by a client that speaks it itself.

mod ciba;
mod client;
mod code_refusals;
mod codes;
mod keys;
mod ping;
mod refusals;
pub mod shop;

pub use client::{Client, Reply};

/// The person whom the client knows as `ann`.
pub const ANN: &str = "alice-0001";
