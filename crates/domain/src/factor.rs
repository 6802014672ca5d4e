//! A factor: one device of an entity, its key and its address, or a secret that makes codes ([`crate::totp`]). `docs/understand/states.md` draws its life.

use crate::address::Address;
use crate::entity::Owner;
pub use crate::factor_status::{FactorStatus, UNVERIFIED_FOR};
pub use crate::factor_type::FactorType;
use crate::key::DeviceKey;
use crate::sid::{FactorKeySid, FactorSid};
use crate::text::{AppId, FriendlyName, SdkVersion, StringMap};
use crate::time::Instant;
use crate::totp::TotpFactor;

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

/// A factor of either type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyFactor {
    /// A key on a device.
    Push(Box<Factor>),
    /// A shared secret and the time.
    Totp(Box<TotpFactor>),
}

impl AnyFactor {
    /// Its SID.
    pub fn sid(&self) -> FactorSid {
        match self {
            Self::Push(factor) => factor.sid,
            Self::Totp(factor) => factor.sid,
        }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::address::Platform;
    use crate::sid::{AccountSid, EntitySid, ServiceSid};
    use crate::text::Identity;

    fn factor(status: FactorStatus) -> Factor {
        let mut point = [0; 65];
        point[0] = 4;
        Factor {
            sid: FactorSid::from_bytes([3; 16]),
            owner: Owner {
                account: AccountSid::from_bytes([0; 16]),
                service: ServiceSid::from_bytes([0; 16]),
                entity: EntitySid::from_bytes([0; 16]),
                identity: Identity::parse("ann-of-owlbank").unwrap(),
            },
            friendly_name: FriendlyName::parse("Ann's phone").unwrap(),
            status,
            key: DeviceKey::from_stored(point),
            key_sid: FactorKeySid::from_bytes([0; 16]),
            app_id: AppId::parse("com.example.owlbank").unwrap(),
            sdk_version: SdkVersion::parse("0.9.0").unwrap(),
            address: Address::new(Platform::None, None, true).unwrap(),
            metadata: None,
            created_at: Instant::from_seconds(1_700_000_000),
            updated_at: Instant::from_seconds(1_700_000_000),
        }
    }

    #[test]
    fn only_an_unverified_factor_lapses_and_after_a_day() {
        let day = Instant::from_seconds(1_700_000_000 + 24 * 60 * 60);
        let unverified = factor(FactorStatus::Unverified);
        assert!(!unverified.has_lapsed(day - Duration::from_micros(1)));
        assert!(unverified.has_lapsed(day));
        assert!(!factor(FactorStatus::Verified).has_lapsed(day));
    }
}
