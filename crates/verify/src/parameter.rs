//! The values of a request that only a use case can judge.

use std::fmt;

use countersign_domain::credential::CredentialPart;
use countersign_domain::integration::IntegrationPart;
use countersign_domain::presence_choice::PresencePart;

/// A value that a use case refused. Its name in a request is for `api` to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// When a challenge expires.
    Expiry,
    /// The question that a challenge asks.
    Message,
    /// The devices that are asked together.
    Devices,
    /// A signed answer, or a code.
    Answer,
    /// The challenge that a notification pushes.
    Challenge,
    /// The token by which a push service reaches a device.
    PushToken,
    /// The presence of a challenge.
    Presence(PresencePart),
    /// The code that a person typed on the page.
    PresenceCode,
    /// A setting that an integration of its kind needs.
    Integration(IntegrationPart),
    /// A part of a push credential.
    Credential(CredentialPart),
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expiry => f.write_str("expiry"),
            Self::Message => f.write_str("message"),
            Self::Devices => f.write_str("devices"),
            Self::Answer => f.write_str("answer"),
            Self::Challenge => f.write_str("challenge"),
            Self::PushToken => f.write_str("push token"),
            Self::Presence(PresencePart::Modes) => f.write_str("presence"),
            Self::Presence(PresencePart::Label) => f.write_str("label of the presence code"),
            Self::Presence(PresencePart::Answer) => f.write_str("presence number"),
            Self::PresenceCode => f.write_str("presence code"),
            Self::Integration(IntegrationPart::Networks) => f.write_str("networks"),
            Self::Integration(IntegrationPart::NotificationEndpoint) => {
                f.write_str("notification endpoint")
            }
            Self::Integration(IntegrationPart::KeycloakIssuers) => f.write_str("issuers"),
            Self::Integration(IntegrationPart::Sites) => f.write_str("sites"),
            Self::Credential(part) => part.fmt(f),
        }
    }
}
