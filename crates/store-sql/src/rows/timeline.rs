//! The results of an operator's search.

use countersign_domain::sid::FactorSid;
use countersign_domain::text::FriendlyName;
use countersign_store::seam::FoundFactor;

use super::entities::owner;
use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`found_factor`], of the table alias `f`, which is a table of factors.
#[macro_export]
macro_rules! found_factor_columns {
    () => {
        "f.account_sid, f.service_sid, f.entity_sid, f.identity, f.sid, f.friendly_name"
    };
}

/// Reads a factor.
///
/// # Errors
/// A cell is corrupt.
pub fn found_factor<R: SqlRow>(mut cells: Cells<R>) -> RowResult<FoundFactor> {
    Ok(FoundFactor {
        owner: owner(&mut cells)?,
        sid: cells.map(FactorSid::from_bytes)?,
        friendly_name: cells.parse(|text| FriendlyName::parse(text).ok())?,
    })
}

/// Merges the factors of both tables, each in the order of `key`.
pub fn merged<K: Ord>(
    push: Vec<FoundFactor>,
    totp: Vec<FoundFactor>,
    most: usize,
    key: impl Fn(&FoundFactor) -> K,
) -> Vec<FoundFactor> {
    let mut all = [push, totp].concat();
    all.sort_by_key(key);
    all.truncate(most);
    all
}

/// The end of the texts that begin with `beginning`: it is greater than all of them.
pub fn end_of(beginning: &str) -> String {
    format!("{beginning}{}", char::MAX)
}
