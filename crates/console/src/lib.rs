//! The operator console at `/console`: pages that are made here, whole, and work without a script. What they show comes
//! from the use cases of `verify`, of the account that is signed in; what is not that account's is not there.
//!
//! Texts of applications reach a page through the templates only, which escape them. What a page is made of besides lies
//! under a path that names its contents. `htmx` reads live parts again in the background; nothing depends on it.

mod attempts;
mod chart;
mod fault;
mod files;
mod form;
mod frame;
mod links;
mod pages;
mod qr;
mod router;
mod session;
mod state;
#[cfg(test)]
mod tests;
mod views;
mod words;

pub use router::router;
pub use state::{Console, Finding, Parts, Tester};
