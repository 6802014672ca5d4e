//! A service: the settings of one application (Twilio Verify v2, Service resource).

use serde::{Deserialize, Serialize};

use crate::branding::Branding;
use crate::service_protection::ServiceProtection;
use crate::sid::{AccountSid, CredentialSid, ServiceSid};
use crate::text::ServiceName;
use crate::time::Instant;

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its SID.
    pub sid: ServiceSid,
    /// The account that it belongs to.
    pub account: AccountSid,
    /// Its settings.
    pub settings: ServiceSettings,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed. Increases with every update, so that concurrent updates are detected.
    pub updated_at: Instant,
}

/// The settings of a service. Stored as one JSON document, because no query uses a setting. Settings of text messages and calls are
/// stored and shown, and have no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSettings {
    /// Its name.
    pub friendly_name: ServiceName,
    /// The number of digits of a code: 4 to 10. Stored and shown.
    pub code_length: u8,
    /// Stored and shown.
    pub lookup_enabled: bool,
    /// Stored and shown.
    pub psd2_enabled: bool,
    /// Stored and shown.
    pub skip_sms_to_landlines: bool,
    /// Stored and shown.
    pub dtmf_input_required: bool,
    /// Stored and shown.
    pub tts_name: Option<String>,
    /// Stored and shown.
    pub do_not_share_warning_enabled: bool,
    /// Stored and shown.
    pub custom_code_enabled: bool,
    /// Stored and shown.
    pub verify_event_subscription_enabled: bool,
    /// Stored and shown.
    pub default_template_sid: Option<String>,
    /// The settings of pushes.
    pub push: PushSettings,
    /// The settings of TOTP factors.
    pub totp: TotpSettings,
    /// Stored and shown.
    pub whatsapp: WhatsappSettings,
    /// Stored and shown.
    pub passkeys: PasskeySettings,
    /// The protection of its people. Absent in what an older release has stored.
    #[serde(default)]
    pub protection: ServiceProtection,
    /// How it presents itself. Absent in what an older release has stored.
    #[serde(default)]
    pub branding: Branding,
}

impl ServiceSettings {
    /// The default settings, with a name.
    pub fn named(friendly_name: ServiceName) -> Self {
        Self {
            friendly_name,
            code_length: 6,
            lookup_enabled: false,
            psd2_enabled: false,
            skip_sms_to_landlines: false,
            dtmf_input_required: false,
            tts_name: None,
            do_not_share_warning_enabled: false,
            custom_code_enabled: false,
            verify_event_subscription_enabled: false,
            default_template_sid: None,
            push: PushSettings::default(),
            totp: TotpSettings { issuer: None, time_step: 30, code_length: 6, skew: 1 },
            whatsapp: WhatsappSettings::default(),
            passkeys: PasskeySettings::default(),
            protection: ServiceProtection::default(),
            branding: Branding::default(),
        }
    }
}

/// The settings of pushes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushSettings {
    /// Whether challenges show when they were created. Deprecated by Twilio.
    pub include_date: bool,
    /// The credential for APNs.
    pub apn_credential_sid: Option<CredentialSid>,
    /// The credential for FCM.
    pub fcm_credential_sid: Option<CredentialSid>,
}

/// The settings of new TOTP factors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotpSettings {
    /// The issuer that an authenticator app shows; the service's name if unset.
    pub issuer: Option<String>,
    /// The length of a time step, in seconds: 20 to 60.
    pub time_step: u8,
    /// The number of digits of a code: 3 to 8.
    pub code_length: u8,
    /// How many time steps before and after the present one are accepted: 0 to 2.
    pub skew: u8,
}

/// Stored and shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhatsappSettings {
    /// A SID that begins with `MG`.
    pub msg_service_sid: Option<String>,
    /// A sender.
    pub from: Option<String>,
}

/// Stored and shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeySettings {
    /// The relying party.
    pub relying_party: RelyingParty,
    /// `platform`, `cross-platform` or `any`.
    pub authenticator_attachment: Option<String>,
    /// `required`, `preferred` or `discouraged`.
    pub discoverable_credentials: Option<String>,
    /// `required`, `preferred` or `discouraged`.
    pub user_verification: Option<String>,
}

/// Stored and shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelyingParty {
    /// A domain.
    pub id: Option<String>,
    /// A name for people.
    pub name: Option<String>,
    /// The origins where passkeys may be used.
    pub origins: Option<Vec<String>>,
}
