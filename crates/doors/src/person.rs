//! The person of a login: the factors by which a door can ask them. Every door finds them here.

use countersign_domain::factor::{AnyFactor, FactorStatus};
use countersign_domain::integration::Integration;
use countersign_domain::service_protection::PresenceMode;
use countersign_domain::sid::{AccountSid, FactorSid, ServiceSid};
use countersign_domain::text::{FriendlyName, Identity};
use countersign_store::PageQuery;
use countersign_verify::challenge_groups::Devices;
use countersign_verify::{Verify, VerifyResult};

/// More factors than a person can have.
const ALL: u16 = 1_000;
/// The most TOTP factors that a code is tried with.
const CODES_TRIED: usize = 4;

/// A verified device that shows prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) sid: FactorSid,
    pub(crate) name: FriendlyName,
    /// Whether it asks for the number of a prompt.
    pub(crate) takes_numbers: bool,
}

/// A person with their verified factors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) identity: Identity,
    pub(crate) devices: Vec<Device>,
    /// The factors whose codes the person types.
    pub(crate) codes: Vec<(FactorSid, FriendlyName)>,
}

impl Person {
    /// Finds the person of an identity.
    ///
    /// # Errors
    /// [`countersign_verify::VerifyError::NotFound`] if the service has no such person, or the database cannot be read.
    pub(crate) async fn find(
        verify: &Verify,
        (account, service): (AccountSid, ServiceSid),
        identity: Identity,
    ) -> VerifyResult<Self> {
        let factors = verify.factors(account, service, &identity, PageQuery::first(ALL)).await?;
        let mut person = Self { identity, devices: Vec::new(), codes: Vec::new() };
        for factor in factors.items {
            match factor {
                AnyFactor::Push(factor) if factor.status == FactorStatus::Verified => {
                    person.devices.push(Device {
                        sid: factor.sid,
                        name: factor.friendly_name,
                        takes_numbers: factor.takes_numbers,
                    });
                }
                AnyFactor::Totp(factor) if factor.status == FactorStatus::Verified => {
                    person.codes.push((factor.sid, factor.friendly_name));
                }
                AnyFactor::Push(_) | AnyFactor::Totp(_) => {}
            }
        }
        Ok(person)
    }

    /// The devices that can be asked: all, or those that take a number if one must be entered. `None` without one.
    pub(crate) fn devices(&self, must_take_numbers: bool) -> Option<Devices> {
        let can_prove = |device: &&Device| device.takes_numbers || !must_take_numbers;
        self.devices_to_ask(self.devices.iter().filter(can_prove))
    }

    /// These devices, as a challenge names them; `None` without one.
    pub(crate) fn devices_to_ask<'a>(
        &self,
        able: impl IntoIterator<Item = &'a Device>,
    ) -> Option<Devices> {
        let able: Vec<_> = able.into_iter().map(|device| device.sid).collect();
        match able.len() {
            0 => None,
            all if all == self.devices.len() => Some(Devices::All),
            _ => Some(Devices::Listed(able)),
        }
    }

    /// The TOTP factors that a typed code is tried with.
    pub(crate) fn code_factors(&self) -> impl Iterator<Item = FactorSid> {
        self.codes.iter().take(CODES_TRIED).map(|(sid, _)| *sid)
    }
}

/// The presence that an approval through an integration must show: by its own setting, otherwise by that of its service.
///
/// # Errors
/// The service cannot be read.
pub(crate) async fn wanted_presence(
    verify: &Verify,
    client: &Integration,
) -> VerifyResult<Vec<PresenceMode>> {
    if let Some(own) = &client.settings.presence {
        return Ok(own.modes().to_vec());
    }
    let service = verify.service(client.account, client.service).await?;
    Ok(service.settings.protection.presence().to_vec())
}
