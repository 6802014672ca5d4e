//! Questions that clients ask apart from the person's browser.

use countersign_domain::backchannel::{BackchannelId, BackchannelRequest};
use countersign_domain::secret::Sealed;
use countersign_domain::sid::{AccountSid, ChallengeGroupSid, IntegrationSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`backchannel_request`].
#[macro_export]
macro_rules! backchannel_columns {
    () => {
        "id, account_sid, service_sid, integration_sid, identity, group_sid, created_at, deadline, redeemed_at, call"
    };
}

/// Reads a request.
///
/// # Errors
/// A cell is corrupt.
pub fn backchannel_request<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<BackchannelRequest> {
    Ok(BackchannelRequest {
        id: cells.map(BackchannelId)?,
        account: cells.map(AccountSid::from_bytes)?,
        service: cells.map(ServiceSid::from_bytes)?,
        integration: cells.map(IntegrationSid::from_bytes)?,
        identity: cells.parse(|text| Identity::parse(text).ok())?,
        group: cells.map(ChallengeGroupSid::from_bytes)?,
        created_at: cells.map(Instant::from_micros)?,
        deadline: cells.map(Instant::from_micros)?,
        redeemed_at: cells.map_if_any(Instant::from_micros)?,
        call: cells.map_if_any(Sealed::from_bytes)?,
    })
}
