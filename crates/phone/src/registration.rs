//! The data of an enrolment.

/// The phone's data at the enrolment, and the SIDs that the server assigned.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Registration {
    pub(crate) service_sid: String,
    pub(crate) identity: String,
    pub(crate) account_sid: String,
    pub(crate) factor_sid: String,
    pub(crate) credential_sid: String,
    pub(crate) friendly_name: String,
    pub(crate) app_id: String,
}
