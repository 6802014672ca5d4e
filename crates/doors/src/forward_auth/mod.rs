//! Forward-auth: a web server asks before each request whether its browser is signed in, as nginx's `auth_request`, Caddy's
//! `forward_auth` and Traefik's `forwardAuth` do, and sends other browsers to the [sign-in page](crate::sign_in).
//!
//! The protected site passes `/forward-auth/{key}/` on to this server, so that the cookie of a session is of that site alone. It is
//! signed with the secret of the integration: a new secret ends all sessions. The word of a web server about a request counts
//! for itself alone: it decides only the response to that web server, and which of the integration's sites a cookie must be of.

mod door;
mod protected_request;
mod serve;
mod session;

pub use door::{Dependencies, ForwardAuthDoor};
pub use serve::router;

/// Whether the headers of a proxy name a page; `Some(false)` if a way back to it would not lead there: a fuzz target (`fuzz/`).
pub(crate) fn fuzz(url: &str, uri: &str) -> Option<bool> {
    protected_request::fuzz(url, uri)
}
