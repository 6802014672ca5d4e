//! Why an address must not be called.

/// Why an address must not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// The scheme is neither https nor http, or there is no host.
    #[error("this server calls only https addresses")]
    Scheme,
    /// The address is not on the public internet.
    #[error("this server must not call that address: it is not of the public internet")]
    Address,
    /// The address needs an entry in `outgoing.allow`, which is missing: for plain http, for example.
    #[error("this server calls that address only if the operator allows it in outgoing.allow")]
    NotListed,
}

/// The addresses that may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The public internet, and the operator's list.
    Public,
    /// Only the operator's list.
    Listed,
}

/// The [`GuardError`] behind a failed call, if the resolver found no address that may be called.
pub fn guard_error(error: &reqwest::Error) -> Option<GuardError> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<GuardError>() {
            return Some(*found);
        }
        cause = error.source();
    }
    None
}
