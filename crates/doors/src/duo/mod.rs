//! The door for clients of the Duo Auth API: `/auth/v2`, and the older `/rest/v1` in JSON and in BSON.
//!
//! `serve` reads a request, checks its signature, and hands it to the file of its call. A refusal of the request is a
//! `failure`; that a person may not enter is an answer.

mod answer;
mod ask;
mod auth;
mod call;
mod choice;
mod details;
mod document;
mod door;
mod enroll;
mod failure;
mod parameters;
mod preauth;
mod serve;
mod signature;
mod signed;
mod status;
mod transaction;
mod user;

pub(crate) use parameters::Parameters;
pub(crate) use signature::Credentials;
pub(crate) use transaction::Transaction;

pub use door::{Dependencies, DuoDoor};
pub use serve::router;
