//! Push factors.

use countersign_domain::address::Address;
use countersign_domain::factor::Factor;
use countersign_domain::factor::FactorStatus;
use countersign_domain::key::DeviceKey;
use countersign_domain::sid::{FactorKeySid, FactorSid};
use countersign_domain::text::{AppId, FriendlyName, SdkVersion, StringMap};
use countersign_domain::time::Instant;

use super::entities::owner;
use crate::cells::{Cells, RowResult, SqlRow};

/// The word of a device that asks its person for numbers.
pub const TAKES_NUMBERS: &str = "number";

/// The columns of [`factor`], of the table alias `f`.
#[macro_export]
macro_rules! factor_columns {
    () => {
        "f.sid, f.account_sid, f.service_sid, f.entity_sid, f.identity, f.friendly_name, f.status, f.public_key, \
         f.key_sid, f.app_id, f.sdk_version, f.platform, f.token, f.presence, f.metadata, f.created_at, f.updated_at"
    };
}

/// Reads a push factor.
///
/// # Errors
/// A cell is corrupt.
pub fn factor<R: SqlRow>(mut cells: Cells<R>) -> RowResult<Factor> {
    Ok(Factor {
        sid: cells.map(FactorSid::from_bytes)?,
        owner: owner(&mut cells)?,
        friendly_name: cells.parse(|text| FriendlyName::parse(text).ok())?,
        status: cells.parse(factor_status)?,
        key: cells.map(DeviceKey::from_stored)?,
        key_sid: cells.map(FactorKeySid::from_bytes)?,
        app_id: cells.parse(|text| AppId::parse(text).ok())?,
        sdk_version: cells.parse(|text| SdkVersion::parse(text).ok())?,
        address: address(&mut cells)?,
        takes_numbers: cells.parse_if_any(|word| (word == TAKES_NUMBERS).then_some(()))?.is_some(),
        metadata: cells.parse_if_any(|text| StringMap::from_stored(text).ok())?,
        created_at: cells.map(Instant::from_micros)?,
        updated_at: cells.map(Instant::from_micros)?,
    })
}

pub(super) fn factor_status(word: &str) -> Option<FactorStatus> {
    [FactorStatus::Unverified, FactorStatus::Verified]
        .into_iter()
        .find(|status| status.as_str() == word)
}

/// Reads two cells: platform and token.
pub(super) fn address<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<Address> {
    let platform = cells.parse(|word| word.parse().ok())?;
    Ok(Address::from_stored(platform, cells.take()?))
}
