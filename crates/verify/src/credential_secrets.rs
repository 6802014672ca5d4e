//! The secret half of a push credential, in the clear.

use countersign_domain::credential::{Credential, CredentialPart};
use countersign_domain::invalid::Invalid;
use countersign_domain::secret::Secret;

/// The secrets of a credential. In an update, `None` means unchanged.
#[derive(Debug, Clone, Default)]
pub struct CredentialSecrets {
    /// APNs: a certificate in PEM.
    pub certificate: Option<Secret>,
    /// APNs: a private key in PEM.
    pub private_key: Option<Secret>,
    /// GCM: an API key.
    pub api_key: Option<Secret>,
    /// FCM: the service account's JSON.
    pub secret: Option<Secret>,
}

impl CredentialSecrets {
    /// These secrets, with the missing ones taken from `old`.
    pub(crate) fn or(self, old: Self) -> Self {
        Self {
            certificate: self.certificate.or(old.certificate),
            private_key: self.private_key.or(old.private_key),
            api_key: self.api_key.or(old.api_key),
            secret: self.secret.or(old.secret),
        }
    }
}

/// Checks whether a credential could be used; otherwise names the part that is wrong, and why. The caller of this crate
/// supplies it, because this crate knows no push service.
pub type CredentialCheck =
    fn(&Credential, &CredentialSecrets) -> Result<(), (CredentialPart, Invalid)>;
