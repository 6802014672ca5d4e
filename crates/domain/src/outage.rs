//! A push service to which nothing is sent for a while, because it fails or rejects a credential.

use crate::ending::ErrorCode;
use crate::sid::{CredentialSid, ServiceSid};
use crate::time::Instant;

/// To whom nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Apple's or Google's push service, with this credential.
    Credential(CredentialSid),
    /// A browser's push service, with the key of this service.
    Browser {
        /// The service.
        service: ServiceSid,
        /// The origin of the push service.
        origin: String,
    },
}

/// An outage, as one process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// To whom nothing is sent.
    pub destination: Destination,
    /// The version of the credential or key: when it was last changed.
    pub version: Instant,
    /// The start of the outage.
    pub since: Instant,
    /// Whether the push service rejects the credential; otherwise it fails or cannot be reached.
    pub is_rejected: bool,
    /// The error code of the last failure.
    pub code: Option<ErrorCode>,
    /// The reason of the last failure, in the words of the push service or of this server.
    pub reason: Option<String>,
}
