//! The doors: protocols by which systems that people run already ask for approvals. Each folder parses one of them, calls the same
//! use cases as the API, and answers in the words of its protocol. A door holds no rule of its own.

mod binding;
mod client;
mod cookies;
pub mod duo;
pub mod forward_auth;
pub mod fuzzing;
mod host;
pub mod keycloak;
mod method;
pub mod openid;
mod person;
mod query;
pub mod radius;
pub mod sign_in;
pub mod universal_prompt;
