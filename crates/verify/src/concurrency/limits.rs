//! The limits, and which of them a request exceeded.

/// How many requests may be in progress at a time. 0 means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcurrencyLimits {
    /// In all. Requests without good credentials may have half of these, and those of one address whose credentials are being
    /// checked an eighth.
    pub requests: usize,
    /// Of one account, its devices included.
    pub per_account: usize,
    /// Of one device, or with one access token.
    pub per_device: usize,
    /// From one address, without good credentials.
    pub unauthenticated_per_address: usize,
    /// Bytes of all responses that are still to be sent.
    pub unsent_bytes: usize,
    /// Bytes of the responses to one account, its devices included, that are still to be sent.
    pub unsent_bytes_per_account: usize,
}

impl Default for ConcurrencyLimits {
    fn default() -> Self {
        Self {
            requests: 10_000,
            per_account: 2_500,
            per_device: 20,
            unauthenticated_per_address: 100,
            unsent_bytes: 256 << 20,
            unsent_bytes_per_account: 64 << 20,
        }
    }
}

/// Why a request is not served now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverloadError {
    /// The account, device or address of the request has reached its limit.
    #[error("too many requests of this account, device or address are in progress")]
    Owner,
    /// The server has reached its limit.
    #[error("too many requests are in progress")]
    Server,
}
