//! The settings of the use cases.

use std::time::Duration;

use countersign_domain::delivery::LEASE;
use countersign_domain::limits::Limits;

/// The settings of the use cases.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much a caller may have and do.
    pub limits: Limits,
    /// Whether push tokens of less than 32 characters are refused.
    pub strict_tokens: bool,
    /// How long a node holds the lease of a delivery before other nodes may take it over.
    pub lease: Duration,
    /// How long operators stay signed in.
    pub sessions: SessionDurations,
    /// How people sign in to the console.
    pub sign_in: SignInRules,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            strict_tokens: true,
            lease: LEASE,
            sessions: SessionDurations::default(),
            sign_in: SignInRules::default(),
        }
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionDurations {
    /// After the sign-in, in any case.
    pub max: Duration,
    /// After the operator's last request.
    pub idle: Duration,
}

impl Default for SessionDurations {
    fn default() -> Self {
        Self { max: Duration::from_secs(8 * 60 * 60), idle: Duration::from_secs(60 * 60) }
    }
}

/// How people sign in to the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignInRules {
    /// Whether a token of an account, or the secret of an API key, signs in.
    pub by_token: bool,
    /// Whether an operator must also approve a prompt of this server on a device.
    pub second_factor: bool,
}

impl Default for SignInRules {
    fn default() -> Self {
        Self { by_token: true, second_factor: true }
    }
}
