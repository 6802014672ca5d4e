//! A service: one application's settings (wire reference §2.1).

use serde::{Deserialize, Serialize};

use crate::sid::{AccountSid, CredentialSid, ServiceSid};
use crate::text::ServiceName;
use crate::time::Instant;

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its SID.
    pub sid: ServiceSid,
    /// Whose it is.
    pub account: AccountSid,
    /// What the application set.
    pub settings: ServiceSettings,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed; grows with every update, so that two updates cannot undo each other unseen.
    pub updated_at: Instant,
}

/// What an application can set. Kept as one JSON document, since nothing is ever looked up by a setting.
/// Those that concern only text messages and calls are kept and shown, and have no effect here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSettings {
    /// Its name.
    pub friendly_name: ServiceName,
    /// Digits of a code: 4 to 10.
    pub code_length: u8,
    /// Kept and shown.
    pub lookup_enabled: bool,
    /// Kept and shown.
    pub psd2_enabled: bool,
    /// Kept and shown.
    pub skip_sms_to_landlines: bool,
    /// Kept and shown.
    pub dtmf_input_required: bool,
    /// Kept and shown.
    pub tts_name: Option<String>,
    /// Kept and shown.
    pub do_not_share_warning_enabled: bool,
    /// Kept and shown.
    pub custom_code_enabled: bool,
    /// Kept and shown.
    pub verify_event_subscription_enabled: bool,
    /// Kept and shown.
    pub default_template_sid: Option<String>,
    /// Push.
    pub push: PushSettings,
    /// One-time codes.
    pub totp: TotpSettings,
    /// Kept and shown.
    pub whatsapp: WhatsappSettings,
    /// Kept and shown.
    pub passkeys: PasskeySettings,
}

impl ServiceSettings {
    /// A service of that name with every default of wire reference §2.1.
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
        }
    }
}

/// How a service pushes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushSettings {
    /// Whether challenges show when they were made. Deprecated by Twilio.
    pub include_date: bool,
    /// The credential for APNs.
    pub apn_credential_sid: Option<CredentialSid>,
    /// The credential for FCM.
    pub fcm_credential_sid: Option<CredentialSid>,
}

/// How a service's one-time codes are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotpSettings {
    /// Who an authenticator app says the code is for; the service's name if unset.
    pub issuer: Option<String>,
    /// Seconds that a code is valid: 20 to 60.
    pub time_step: u8,
    /// Digits: 3 to 8.
    pub code_length: u8,
    /// Steps before and after that are accepted too: 0 to 2.
    pub skew: u8,
}

/// Kept and shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhatsappSettings {
    /// An `MG…` SID.
    pub msg_service_sid: Option<String>,
    /// A sender.
    pub from: Option<String>,
}

/// Kept and shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeySettings {
    /// Who asks.
    pub relying_party: RelyingParty,
    /// `platform`, `cross-platform` or `any`.
    pub authenticator_attachment: Option<String>,
    /// `required`, `preferred` or `discouraged`.
    pub discoverable_credentials: Option<String>,
    /// `required`, `preferred` or `discouraged`.
    pub user_verification: Option<String>,
}

/// Kept and shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelyingParty {
    /// A domain.
    pub id: Option<String>,
    /// A name for people.
    pub name: Option<String>,
    /// Where it may be used.
    pub origins: Option<Vec<String>>,
}
