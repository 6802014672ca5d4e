//! The person of a login: by what they can be asked.

use countersign_domain::factor::{AnyFactor, FactorStatus};
use countersign_domain::sid::FactorSid;
use countersign_domain::text::Identity;
use countersign_store::PageQuery;
use countersign_verify::challenge_groups::Devices;
use countersign_verify::{Verify, VerifyResult};

use super::door::Client;

/// More factors than a person can have.
const ALL: u16 = 1_000;
/// The most TOTP factors that a code is tried with.
const CODES: usize = 4;

/// A person with factors.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) identity: Identity,
    /// The verified devices that show prompts, and whether each takes a number.
    devices: Vec<(FactorSid, bool)>,
    /// The verified factors whose codes the person types.
    pub(super) codes: Vec<FactorSid>,
}

impl Person {
    /// Finds the person of an identity; [`countersign_verify::VerifyError::NotFound`] if there is none.
    pub(super) async fn find(
        verify: &Verify,
        client: &Client,
        identity: Identity,
    ) -> VerifyResult<Self> {
        let (account, service) = client.place();
        let factors = verify.factors(account, service, &identity, PageQuery::first(ALL)).await?;
        let (mut devices, mut codes) = (Vec::new(), Vec::new());
        for factor in factors.items {
            match factor {
                AnyFactor::Push(factor) if factor.status == FactorStatus::Verified => {
                    devices.push((factor.sid, factor.takes_numbers));
                }
                AnyFactor::Totp(factor) if factor.status == FactorStatus::Verified => {
                    codes.push(factor.sid);
                }
                AnyFactor::Push(_) | AnyFactor::Totp(_) => {}
            }
        }
        codes.truncate(CODES);
        Ok(Self { identity, devices, codes })
    }

    /// The devices that can be asked: all, or those that take a number if one `must` be entered. `None` without one.
    pub(super) fn devices(&self, must_take_numbers: bool) -> Option<Devices> {
        if !must_take_numbers {
            return (!self.devices.is_empty()).then_some(Devices::All);
        }
        let able: Vec<_> =
            self.devices.iter().filter(|(_, takes)| *takes).map(|(sid, _)| *sid).collect();
        (!able.is_empty()).then_some(Devices::Listed(able))
    }
}
