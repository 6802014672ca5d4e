//! A factor: a device of an entity, with its key and its address, or a shared secret ([`crate::totp`]).
//! `docs/understand/states.md` shows its states.

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
    /// The entity that it belongs to.
    pub owner: Owner,
    /// A name of the device, which the person sees.
    pub friendly_name: FriendlyName,
    /// Whether possession of the key has been proved.
    pub status: FactorStatus,
    /// The device's public key.
    pub key: DeviceKey,
    /// The id of that key, unique in the installation: the `kid` of the device's JWTs.
    pub key_sid: FactorKeySid,
    /// The app on the device.
    pub app_id: AppId,
    /// The version of the SDK in the app.
    pub sdk_version: SdkVersion,
    /// Where pushes are sent.
    pub address: Address,
    /// Whether the device asks its person for the number of a challenge (`Config.Presence`).
    pub takes_numbers: bool,
    /// Data for the application's use.
    pub metadata: Option<StringMap>,
    /// When it was enrolled.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

impl Factor {
    /// Whether a DER signature over the SID proves possession of the key.
    pub fn is_proved_by(&self, signature: &[u8]) -> bool {
        self.key.signed_der(self.sid.to_string().as_bytes(), signature)
    }

    /// Whether it has been unverified for so long that it counts as deleted at `now`.
    pub fn has_lapsed(&self, now: Instant) -> bool {
        self.status == FactorStatus::Unverified && now >= self.created_at + UNVERIFIED_FOR
    }

    /// Applies a change at `at`.
    pub fn changed(self, change: FactorChange, at: Instant) -> ChangedFactor {
        let is_newly_verified = change.verified && self.status == FactorStatus::Unverified;
        let has_moved = change.address.as_ref().is_some_and(|address| *address != self.address);
        let registered_at = change.address.as_ref().map(|_| at);
        let factor = Self {
            status: if change.verified { FactorStatus::Verified } else { self.status },
            friendly_name: change.friendly_name.unwrap_or(self.friendly_name),
            address: change.address.unwrap_or(self.address),
            sdk_version: change.sdk_version.unwrap_or(self.sdk_version),
            app_id: change.app_id.unwrap_or(self.app_id),
            takes_numbers: change.takes_numbers.unwrap_or(self.takes_numbers),
            updated_at: at,
            ..self
        };
        ChangedFactor { factor, is_newly_verified, has_moved, registered_at }
    }
}

/// A factor after a [`FactorChange`], and the consequences of the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFactor {
    /// The changed factor.
    pub factor: Factor,
    /// Whether the change verified it: its webhooks are told.
    pub is_newly_verified: bool,
    /// Whether the address is another one: deliveries that are parked become due.
    pub has_moved: bool,
    /// When the address was registered, if the change named one, even the same. A push service that calls an address dead since an
    /// earlier time does not mean this registration.
    pub registered_at: Option<Instant>,
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

/// A change of a push factor; `None` means unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FactorChange {
    /// Whether possession of the key has been proved.
    pub verified: bool,
    /// A new name.
    pub friendly_name: Option<FriendlyName>,
    /// A new address.
    pub address: Option<Address>,
    /// A new version of the SDK.
    pub sdk_version: Option<SdkVersion>,
    /// A new id of the app.
    pub app_id: Option<AppId>,
    /// Whether the device now asks its person for numbers.
    pub takes_numbers: Option<bool>,
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
            takes_numbers: false,
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

    #[test]
    fn a_change_tells_its_consequences() {
        let at = Instant::from_seconds(1_700_000_100);
        let old = factor(FactorStatus::Unverified);
        let verified = FactorChange { verified: true, ..FactorChange::default() };
        let changed = old.clone().changed(verified.clone(), at);
        assert_eq!(
            (changed.factor.status, changed.factor.updated_at),
            (FactorStatus::Verified, at)
        );
        assert!(changed.is_newly_verified && !changed.has_moved && changed.registered_at.is_none());
        assert!(!changed.factor.changed(verified, at).is_newly_verified, "it was verified before");

        let same = FactorChange { address: Some(old.address.clone()), ..FactorChange::default() };
        let changed = old.clone().changed(same, at);
        assert_eq!((changed.has_moved, changed.registered_at), (false, Some(at)));
        let address = Some(Address::new(Platform::Stream, None, true).unwrap());
        let changed = old.changed(FactorChange { address, ..FactorChange::default() }, at);
        assert_eq!((changed.has_moved, changed.registered_at), (true, Some(at)));
        assert!(!changed.is_newly_verified);
    }
}
