//! Keycloak's channel for CIBA. Keycloak speaks CIBA to its own clients, and asks us to ask the person. The answer goes back to the
//! issuer that asked, with the bearer token that came with the question.
//!
//! The secret of the integration is in the query of the address that Keycloak is started with, since Keycloak sends nothing else that is
//! ours. So the token's signature is not checked: a caller that knows the secret and invents a token gets an answer that Keycloak refuses.

mod bearer;
mod channel;
mod question;

pub(crate) use bearer::Bearer;
pub(crate) use question::Question;

pub use channel::{KeycloakDoor, router};
