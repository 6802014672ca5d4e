//! A factor: one device of an entity, its key and its address. `docs/states.md` draws its life.

use std::str::FromStr;
use std::time::Duration;

use crate::address::Address;
use crate::entity::Owner;
use crate::invalid::Invalid;
use crate::key::DeviceKey;
use crate::sid::{FactorKeySid, FactorSid};
use crate::text::{AppId, FriendlyName, SdkVersion, StringMap};
use crate::time::Instant;

/// How long a factor may stay unverified before it is removed (wire reference §4.1).
pub const UNVERIFIED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// By what a factor proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactorType {
    /// A key on a device.
    Push,
    /// A shared secret and the time.
    Totp,
}

impl FactorType {
    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Totp => "totp",
        }
    }

    /// The first byte of SIDs of this type (wire reference §1.3).
    pub const fn lead(self) -> u8 {
        match self {
            Self::Push => 0x03,
            Self::Totp => 0x02,
        }
    }
}

impl FromStr for FactorType {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "push" => Ok(Self::Push),
            "totp" => Ok(Self::Totp),
            _ => Err(Invalid::because("must be push or totp")),
        }
    }
}

/// Whether the device has shown that it holds the private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactorStatus {
    /// Not yet: it receives no challenges.
    Unverified,
    /// It has.
    Verified,
}

impl FactorStatus {
    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Verified => "verified",
        }
    }
}

/// A push factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factor {
    /// Its SID.
    pub sid: FactorSid,
    /// Whose it is.
    pub owner: Owner,
    /// What the person calls the device.
    pub friendly_name: FriendlyName,
    /// Whether possession has been proved.
    pub status: FactorStatus,
    /// The device's public key.
    pub key: DeviceKey,
    /// The id of that key, unique in the installation: the `kid` of the device's JWTs.
    pub key_sid: FactorKeySid,
    /// The app on the device.
    pub app_id: AppId,
    /// The version of the SDK in the app.
    pub sdk_version: SdkVersion,
    /// Where the device is reached.
    pub address: Address,
    /// What the application keeps with it.
    pub metadata: Option<StringMap>,
    /// When it was enrolled.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

impl Factor {
    /// Whether `signature` (DER) over the SID proves possession of the key (wire reference §3.3).
    pub fn is_proved_by(&self, signature: &[u8]) -> bool {
        self.key.signed_der(self.sid.to_string().as_bytes(), signature)
    }

    /// Whether it was left unverified for so long that it counts as gone at `now`.
    pub fn has_lapsed(&self, now: Instant) -> bool {
        self.status == FactorStatus::Unverified && now >= self.created_at + UNVERIFIED_FOR
    }
}

/// What an update changes; absent means unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FactorChange {
    /// Possession has been proved.
    pub verified: bool,
    /// A new name.
    pub friendly_name: Option<FriendlyName>,
    /// A new address.
    pub address: Option<Address>,
    /// The app updated its SDK.
    pub sdk_version: Option<SdkVersion>,
    /// The app changed its id.
    pub app_id: Option<AppId>,
}
