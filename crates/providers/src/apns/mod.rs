//! Apple's push service, APNs, over HTTP/2 (developer.apple.com: "Sending notification requests to APNs").

mod auth;
mod client;
mod environments;
pub(crate) mod payload;
mod request;
pub(crate) mod response;
mod service;
mod tokens;

#[cfg(test)]
mod tests;

pub(crate) use service::Apns;
pub use tokens::ProviderTokens;
