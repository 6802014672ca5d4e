//! Where the factor of a delivery is reached.

use countersign_domain::address::Platform;
use countersign_domain::prospect::Target;
use countersign_domain::service_protection::UserVerification;
use countersign_domain::sid::{AccountSid, CredentialSid, ServiceSid};
use countersign_domain::text::AppId;
use serde::Deserialize;

use super::factors::address;
use crate::cells::{Cells, RowResult, SqlRow};

/// The settings of a service that an attempt depends on. Reading these alone skips all others without an allocation.
#[derive(Deserialize)]
struct AttemptSettings {
    push: Credentials,
    #[serde(default)]
    protection: Protection,
}

#[derive(Deserialize)]
struct Credentials {
    apn_credential_sid: Option<CredentialSid>,
    fcm_credential_sid: Option<CredentialSid>,
}

#[derive(Default, Deserialize)]
struct Protection {
    user_verification: Option<UserVerification>,
}

/// Reads the cells `account_sid, service_sid, platform, token, app_id` of a factor and the settings of its service; `None` if
/// they are NULL.
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
    let AttemptSettings { push, protection } =
        cells.parse(|text| serde_json::from_str(text).ok())?;
    let credential = match address.platform() {
        Platform::Apn => push.apn_credential_sid,
        Platform::Fcm => push.fcm_credential_sid,
        Platform::WebPush | Platform::Stream | Platform::None => None,
    };
    let user_verification = protection.user_verification.unwrap_or_default();
    Ok(Some(Target { account, service, address, app_id, credential, user_verification }))
}
