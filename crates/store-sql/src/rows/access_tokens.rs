//! Access tokens.

use countersign_domain::access_token::AccessToken;
use countersign_domain::sid::{AccessTokenSid, AccountSid, ServiceSid};
use countersign_domain::text::{AccountLabel, FriendlyName, Identity};
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`access_token`], of the table alias `t`.
#[macro_export]
macro_rules! access_token_columns {
    () => {
        "t.sid, t.account_sid, t.service_sid, t.identity, t.factor_type, t.factor_friendly_name, t.account_label, \
         t.ttl, t.created_at, t.used_at"
    };
}

/// Reads an access token.
///
/// # Errors
/// A cell is corrupt.
pub fn access_token<R: SqlRow>(mut cells: Cells<R>) -> RowResult<AccessToken> {
    Ok(AccessToken {
        sid: cells.map(AccessTokenSid::from_bytes)?,
        account: cells.map(AccountSid::from_bytes)?,
        service: cells.map(ServiceSid::from_bytes)?,
        identity: cells.parse(|text| Identity::parse(text).ok())?,
        factor_type: cells.parse(|word| word.parse().ok())?,
        factor_friendly_name: cells.parse_if_any(|text| FriendlyName::parse(text).ok())?,
        account_label: cells.parse_if_any(|text| AccountLabel::parse(text).ok())?,
        ttl: cells.take()?,
        created_at: cells.map(Instant::from_micros)?,
        used_at: cells.map_if_any(Instant::from_micros)?,
    })
}
