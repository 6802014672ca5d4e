//! Names of parameters in requests (Twilio Verify v2), and the errors of invalid ones.

use countersign_domain::credential::CredentialPart;
use countersign_domain::integration::IntegrationPart;
use countersign_domain::presence_choice::PresencePart;
use countersign_domain::service_form::ServiceParameter;
use countersign_verify::Parameter;

use crate::rows::{self, Row};

/// The name of a value that a use case rejects.
pub(crate) const fn name_of(parameter: Parameter) -> &'static str {
    match parameter {
        Parameter::Expiry => "ExpirationDate",
        Parameter::Message => "Details.Message",
        Parameter::Devices => "Devices",
        Parameter::Answer => "AuthPayload",
        Parameter::Challenge => "ChallengeSid",
        Parameter::PushToken => "Config.NotificationToken",
        Parameter::Presence(PresencePart::Modes) => "Presence",
        Parameter::Presence(PresencePart::Label) => "Presence.Label",
        Parameter::Presence(PresencePart::Answer) => "Presence.Answer",
        Parameter::PresenceCode => "Code",
        Parameter::Integration(IntegrationPart::Networks) => "Networks",
        Parameter::Integration(IntegrationPart::NotificationEndpoint) => {
            "OpenId.NotificationEndpoint"
        }
        Parameter::Integration(IntegrationPart::KeycloakIssuers) => "Keycloak.Issuers",
        Parameter::Integration(IntegrationPart::Sites) => "ForwardAuth.Sites",
        Parameter::Credential(part) => match part {
            CredentialPart::Certificate => "Certificate",
            CredentialPart::PrivateKey => "PrivateKey",
            CredentialPart::KeyId => "KeyId",
            CredentialPart::TeamId => "TeamId",
            CredentialPart::Topic => "Topic",
            CredentialPart::Secret => "Secret",
        },
    }
}

/// The error of a value that a use case rejects (Twilio documentation).
pub(crate) const fn row_of(parameter: Parameter) -> &'static Row {
    match parameter {
        Parameter::Credential(_) => &rows::OTHER_PARAMETER,
        Parameter::Expiry
        | Parameter::Message
        | Parameter::Devices
        | Parameter::Answer
        | Parameter::Challenge
        | Parameter::Presence(_)
        | Parameter::PresenceCode
        | Parameter::Integration(_)
        | Parameter::PushToken => &rows::PARAMETER,
    }
}

/// The name of a setting of a service.
pub(crate) const fn name_of_setting(setting: ServiceParameter) -> &'static str {
    match setting {
        ServiceParameter::FriendlyName => "FriendlyName",
        ServiceParameter::CodeLength => "CodeLength",
        ServiceParameter::LookupEnabled => "LookupEnabled",
        ServiceParameter::SkipSmsToLandlines => "SkipSmsToLandlines",
        ServiceParameter::DtmfInputRequired => "DtmfInputRequired",
        ServiceParameter::Psd2Enabled => "Psd2Enabled",
        ServiceParameter::DoNotShareWarningEnabled => "DoNotShareWarningEnabled",
        ServiceParameter::CustomCodeEnabled => "CustomCodeEnabled",
        ServiceParameter::VerifyEventSubscriptionEnabled => "VerifyEventSubscriptionEnabled",
        ServiceParameter::IncludeDate => "Push.IncludeDate",
        ServiceParameter::ApnCredential => "Push.ApnCredentialSid",
        ServiceParameter::FcmCredential => "Push.FcmCredentialSid",
        ServiceParameter::TotpTimeStep => "Totp.TimeStep",
        ServiceParameter::TotpCodeLength => "Totp.CodeLength",
        ServiceParameter::TotpSkew => "Totp.Skew",
        ServiceParameter::TotpIssuer => "Totp.Issuer",
        ServiceParameter::TtsName => "TtsName",
        ServiceParameter::DefaultTemplate => "DefaultTemplateSid",
        ServiceParameter::WhatsappMessagingService => "Whatsapp.MsgServiceSid",
        ServiceParameter::WhatsappFrom => "Whatsapp.From",
        ServiceParameter::RelyingPartyId => "Passkeys.RelyingParty.Id",
        ServiceParameter::RelyingPartyName => "Passkeys.RelyingParty.Name",
        ServiceParameter::RelyingPartyOrigins => "Passkeys.RelyingParty.Origins",
        ServiceParameter::AuthenticatorAttachment => "Passkeys.AuthenticatorAttachment",
        ServiceParameter::DiscoverableCredentials => "Passkeys.DiscoverableCredentials",
        ServiceParameter::UserVerification => "Passkeys.UserVerification",
    }
}
