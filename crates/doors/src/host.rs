//! The host that a request is for.

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;

/// The host and port that the client asked for; empty if it named none.
pub(crate) fn host(parts: &Parts) -> &str {
    let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| parts.uri.authority().map(Authority::as_str)).unwrap_or_default()
}
