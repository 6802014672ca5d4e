//! TOTP factors (RFC 6238), which share a secret with an authenticator app (Twilio Verify v2, Factor resource).

use std::str::FromStr;

use aws_lc_rs::hmac;

use crate::entity::Owner;
use crate::factor_status::{FactorStatus, UNVERIFIED_FOR};
use crate::invalid::Invalid;
use crate::secret::Sealed;
use crate::sid::FactorSid;
use crate::text::FriendlyName;
use crate::time::Instant;

/// The hash algorithm of the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotpAlg {
    /// SHA-1, which most authenticator apps use.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl TotpAlg {
    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    pub(crate) const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

impl FromStr for TotpAlg {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::Sha1, Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|alg| alg.as_str() == text)
            .ok_or(Invalid::because("must be sha1, sha256 or sha512"))
    }
}

/// How a factor's codes are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TotpConfig {
    /// The hash algorithm.
    pub alg: TotpAlg,
    /// The length of a time step, in seconds: 20 to 60.
    pub time_step: u8,
    /// How many time steps before and after the present one are accepted: 0 to 2.
    pub skew: u8,
    /// The number of digits: 3 to 8.
    pub code_length: u8,
}

/// A change of a [`TotpConfig`]; `None` means unchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TotpConfigChange {
    /// The hash algorithm.
    pub alg: Option<TotpAlg>,
    /// The length of a time step, in seconds: 20 to 60.
    pub time_step: Option<u8>,
    /// How many time steps before and after the present one are accepted: 0 to 2.
    pub skew: Option<u8>,
    /// The number of digits: 3 to 8.
    pub code_length: Option<u8>,
}

impl TotpConfigChange {
    /// Applies the change to `old`.
    pub fn apply_to(self, old: TotpConfig) -> TotpConfig {
        TotpConfig {
            alg: self.alg.unwrap_or(old.alg),
            time_step: self.time_step.unwrap_or(old.time_step),
            skew: self.skew.unwrap_or(old.skew),
            code_length: self.code_length.unwrap_or(old.code_length),
        }
    }
}

/// A change of a TOTP factor; `None` means unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TotpChange {
    /// A new name.
    pub friendly_name: Option<FriendlyName>,
    /// The change of how its codes are computed.
    pub config: TotpConfigChange,
}

/// A TOTP factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpFactor {
    /// Its SID.
    pub sid: FactorSid,
    /// The entity that it belongs to.
    pub owner: Owner,
    /// A name that the person sees.
    pub friendly_name: FriendlyName,
    /// Whether a right code has been presented.
    pub status: FactorStatus,
    /// The shared secret, sealed.
    pub secret: Sealed,
    /// How its codes are computed.
    pub config: TotpConfig,
    /// The time step of the last accepted code. The codes of this step and of earlier ones are spent.
    pub last_step: Option<u64>,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

impl TotpFactor {
    /// Applies a change at `at`. A change of the length of time steps renumbers them; spent codes stay spent.
    pub fn changed(self, change: TotpChange, at: Instant) -> Self {
        let config = change.config.apply_to(self.config);
        let (old, new) = (u64::from(self.config.time_step), u64::from(config.time_step.max(1)));
        Self {
            friendly_name: change.friendly_name.unwrap_or(self.friendly_name),
            last_step: self.last_step.map(|last| ((last + 1) * old).saturating_sub(1) / new),
            config,
            updated_at: at,
            ..self
        }
    }

    /// Whether it has been unverified for so long that it counts as deleted at `now`.
    pub fn has_lapsed(&self, now: Instant) -> bool {
        self.status == FactorStatus::Unverified && now >= self.created_at + UNVERIFIED_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sid::{AccountSid, EntitySid, ServiceSid};
    use crate::text::Identity;

    #[test]
    fn spent_codes_stay_spent_when_the_time_step_changes() {
        let owner = Owner {
            account: AccountSid::from_bytes([1; 16]),
            service: ServiceSid::from_bytes([2; 16]),
            entity: EntitySid::from_bytes([3; 16]),
            identity: Identity::parse("alice-0001").unwrap(),
        };
        let at = Instant::from_seconds(0);
        for (old, new) in [(20, 60), (60, 20), (30, 30), (30, 45), (45, 30), (59, 60), (21, 20)] {
            let factor = TotpFactor {
                sid: FactorSid::from_bytes([2; 16]),
                owner: owner.clone(),
                friendly_name: FriendlyName::parse("codes").unwrap(),
                status: FactorStatus::Verified,
                secret: Sealed::from_bytes(Vec::new()),
                config: TotpConfig { alg: TotpAlg::Sha1, time_step: old, skew: 0, code_length: 8 },
                last_step: Some(1_000_003),
                created_at: at,
                updated_at: at,
            };
            let step = TotpConfigChange { time_step: Some(new), ..TotpConfigChange::default() };
            let change = TotpChange { friendly_name: None, config: step };
            let last_step = factor.changed(change, at).last_step.unwrap();
            let last_spent_second = 1_000_004 * u64::from(old) - 1;
            assert_eq!(last_step, last_spent_second / u64::from(new), "{old} to {new}");
        }
    }
}
