//! The challenges that asked one person on several devices at once.

use std::collections::BTreeMap;

use countersign_domain::challenge::Challenge;
use countersign_domain::factor::AnyFactor;
use countersign_store::PageQuery;
use countersign_verify::VerifyError;

use crate::error::PageError;
use crate::labels::{self, Tone};
use crate::state::Console;

/// Devices of a person whose names are read.
const MOST_DEVICES: u16 = 100;

/// A group of challenges.
pub(super) struct Group {
    pub(super) sid: String,
    pub(super) siblings: Vec<Sibling>,
}

/// A challenge of the group.
pub(super) struct Sibling {
    pub(super) sid: String,
    pub(super) device: String,
    pub(super) status: &'static str,
    pub(super) tone: Tone,
    /// Whether the page is about it.
    pub(super) is_this: bool,
}

impl Group {
    /// Reads the group of a challenge, if it has one.
    pub(super) async fn read(
        challenge: &Challenge,
        console: &Console,
    ) -> Result<Option<Self>, PageError> {
        let Some(sid) = challenge.group else { return Ok(None) };
        let owner = &challenge.owner;
        let (account, service, identity) = (owner.account, owner.service, &owner.identity);
        let group = match console.verify.challenge_group(account, service, identity, sid).await {
            Ok(group) => group,
            // Deleted since the challenge was read.
            Err(VerifyError::NotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let page = PageQuery::first(MOST_DEVICES);
        let factors = console.verify.factors(account, service, identity, page).await?;
        let named = factors.items.into_iter().filter_map(|factor| match factor {
            AnyFactor::Push(factor) => Some((factor.sid, factor.friendly_name.to_string())),
            AnyFactor::Totp(_) => None,
        });
        let names: BTreeMap<_, _> = named.collect();
        let siblings = group.challenges().map(|it| {
            let status = it.status(console.now());
            let device = names.get(&it.factor).cloned();
            Sibling {
                sid: it.sid.to_string(),
                device: device.unwrap_or_else(|| "a device that was removed".to_owned()),
                status: status.as_str(),
                tone: labels::tone_of_challenge(status),
                is_this: it.sid == challenge.sid,
            }
        });
        Ok(Some(Self { sid: sid.to_string(), siblings: siblings.collect() }))
    }
}
