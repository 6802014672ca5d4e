//! An access token: the right to enrol one factor, which an application gives to a device (Twilio Verify v2, Access Tokens).

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::factor::FactorType;
use crate::sid::{AccessTokenSid, AccountSid, ServiceSid};
use crate::text::{AccountLabel, FriendlyName, Identity};
use crate::time::Instant;

/// The lifetimes of an access token, in seconds.
pub const TTL: RangeInclusive<u16> = 60..=300;
/// The default lifetime, in seconds.
pub const DEFAULT_TTL: u16 = 60;

/// An access token. The text that the device receives is made from this record (see `access_tokens` in `verify`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Its SID.
    pub sid: AccessTokenSid,
    /// The account that made it.
    pub account: AccountSid,
    /// The service that it is for.
    pub service: ServiceSid,
    /// The identity that it is for. Its entity need not exist.
    pub identity: Identity,
    /// The type of factor that it may enrol.
    pub factor_type: FactorType,
    /// A name for the factor.
    pub factor_friendly_name: Option<FriendlyName>,
    /// The text that the device shows in place of the identity. The entity gets it with the factor.
    pub account_label: Option<AccountLabel>,
    /// Its lifetime in seconds.
    pub ttl: u16,
    /// When it was created.
    pub created_at: Instant,
    /// When it enrolled its factor, if it has.
    pub used_at: Option<Instant>,
}

impl AccessToken {
    /// The instant from which it is invalid.
    pub fn expires_at(&self) -> Instant {
        self.created_at + Duration::from_secs(self.ttl.into())
    }
}
