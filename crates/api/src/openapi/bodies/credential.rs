//! Push credentials (wire reference §2.9). Secrets go in and never come out.

use super::texts::NAME;
use crate::openapi::kind::Kind;
use crate::openapi::parameter::{Parameter, optional, required};
use crate::openapi::words::CREDENTIAL_TYPES;

/// All but the type, in both forms.
macro_rules! credential {
    ($($kind:expr)?) => {
        &[
            $($kind,)?
            optional("FriendlyName", Kind::Length(0, 64), "What the operator calls it."),
            optional(
                "Certificate",
                Kind::Text,
                "For `apn`: the certificate as PEM, its line breaks may be missing.",
            ),
            optional(
                "PrivateKey",
                Kind::Text,
                "For `apn`: the private key as PEM, of the certificate or, with `KeyId` and `TeamId`, a provider \
                 token key (`.p8`).",
            ),
            optional("Sandbox", Kind::Flag, "For `apn`: whether pushes go to Apple's sandbox."),
            optional("ApiKey", Kind::Text, "For `gcm`, which is no more. Kept."),
            optional("Secret", Kind::Text, "For `fcm`: the JSON text of a service account's key file."),
            optional("KeyId", NAME, "Ours. For `apn`: the id of the provider token key."),
            optional("TeamId", NAME, "Ours. For `apn`: the team that the key belongs to."),
            optional(
                "Topic",
                Kind::Length(1, 256),
                "Ours. For `apn`: the topic of pushes. The factor's `app_id` if absent.",
            ),
        ]
    };
}

/// A new credential.
pub(crate) const CREDENTIAL: &[Parameter] =
    credential!(required("Type", Kind::Named(&CREDENTIAL_TYPES), ""));

/// A changed credential.
pub(crate) const CREDENTIAL_UPDATE: &[Parameter] = credential!();
