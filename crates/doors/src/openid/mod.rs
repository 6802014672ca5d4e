//! The OpenID provider (OpenID Connect Core and Discovery 1.0). Each service is an issuer of its own, at `/openid/{ServiceSid}`, whose
//! clients are its integrations of the kind `openid`; all share the keys of the installation.
//!
//! `client` reads a request of a client and checks who it is. A grant turns such a request into a sign-in, and `token` makes tokens
//! of that. CIBA is the grant of `ciba` (the question) and `ciba_grant` (the answer); the code flow that of `authorize`, which leads to
//! the [sign-in page](crate::sign_in), and `code_grant`.
//!
//! # Adding a grant
//! 1. A variant of `GrantType` (`grant_type.rs`), the only list of grants: discovery publishes it.
//! 2. A file with a function from a `ClientRequest` to a `SignIn` or a `Refusal`, called by the match in `token.rs`. It checks that the
//!    client may use the grant, and that the right to the tokens is used once.
//! 3. Its endpoints in `serve.rs`, and their addresses in `metadata.rs`.

mod approval;
mod authorize;
mod authorize_request;
mod ciba;
mod ciba_grant;
mod ciba_request;
mod client;
mod code_grant;
mod credentials;
mod door;
mod form;
mod grant_type;
mod metadata;
mod paces;
mod refusal;
mod serve;
mod token;
mod userinfo;

pub(crate) use authorize_request::AuthorizeRequest;
pub(crate) use ciba_request::CibaRequest;
pub(crate) use credentials::ClientCredentials;
pub(crate) use form::Form;
pub(crate) use refusal::Refusal;

pub use door::{Dependencies, OpenIdDoor};
pub use serve::router;
