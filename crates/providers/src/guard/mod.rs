//! Guards every call to an address that a tenant or a device chose: webhooks, Web Push endpoints, `token_uri`. Without it a
//! stranger could have this server call hosts that only it can reach (server-side request forgery).
//!
//! A literal address never passes a resolver, so it is judged when the URL is read, in whatever spelling. A name is judged when
//! it is resolved, by the very addresses that are then connected to: a later change of the name has no effect.

mod account_permits;
pub(crate) mod addresses;
pub(crate) mod allowed;
mod client;
pub(crate) mod dns;
mod error;
pub(crate) mod resolver;

pub use allowed::Allowed;
pub use client::{CallTimeouts, Guard};
pub use dns::ResolveError;
pub use error::{GuardError, guard_error};
pub use resolver::SystemResolver;
