//! An access token: the right to enrol one factor, given to a device by its application (wire reference §2.6).

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::factor::FactorType;
use crate::sid::{AccessTokenSid, AccountSid, ServiceSid};
use crate::text::{FriendlyName, Identity};
use crate::time::Instant;

/// The lifetimes that may be asked for, in seconds.
pub const TTL: RangeInclusive<u16> = 60..=300;
/// The lifetime if none is asked for, in seconds.
pub const DEFAULT_TTL: u16 = 60;

/// An access token. The string that the device is given is made from this record (see `verify`'s `access_tokens`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Its SID.
    pub sid: AccessTokenSid,
    /// The account it was made by.
    pub account: AccountSid,
    /// The service it is for.
    pub service: ServiceSid,
    /// The entity it is for, which need not exist yet.
    pub identity: Identity,
    /// The type of factor it may enrol.
    pub factor_type: FactorType,
    /// A name for the factor, for the application's use.
    pub factor_friendly_name: Option<FriendlyName>,
    /// Its lifetime in seconds.
    pub ttl: u16,
    /// When it was made.
    pub created_at: Instant,
}

impl AccessToken {
    /// From this instant on it is good for nothing.
    pub fn expires_at(&self) -> Instant {
        self.created_at + Duration::from_secs(self.ttl.into())
    }
}
