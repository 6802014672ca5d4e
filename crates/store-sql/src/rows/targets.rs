//! Where the factor of a delivery is reached.

use countersign_domain::address::Platform;
use countersign_domain::prospect::Target;
use countersign_domain::service::ServiceSettings;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::text::AppId;

use super::factors::address;
use crate::cells::{Cells, RowResult, SqlRow};

/// Reads the cells `account_sid, service_sid, platform, token, app_id` of a factor and the settings of its service; `None` if
/// they are NULL. The settings are parsed only for platforms with a credential.
///
/// # Errors
/// A cell is corrupt.
pub fn target<R: SqlRow>(cells: Cells<R>) -> RowResult<Option<Target>> {
    let mut cells = cells.next_table("factors");
    if cells.is_null() {
        return Ok(None);
    }
    let account = cells.map(AccountSid::from_bytes)?;
    let service = cells.map(ServiceSid::from_bytes)?;
    let address = address(&mut cells)?;
    let app_id = cells.parse(|text| AppId::parse(text).ok())?;
    let mut cells = cells.next_table("services");
    let mut settings = || cells.parse(|text| serde_json::from_str::<ServiceSettings>(text).ok());
    let credential = match address.platform() {
        Platform::Apn => settings()?.push.apn_credential_sid,
        Platform::Fcm => settings()?.push.fcm_credential_sid,
        Platform::WebPush | Platform::Stream | Platform::None => None,
    };
    Ok(Some(Target { account, service, address, app_id, credential }))
}
