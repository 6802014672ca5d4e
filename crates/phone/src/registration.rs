//! What a phone and its server know of each other once it has enrolled.

/// What the phone told the server about itself, and what the server calls it since.
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
