//! Where a provider gets what it shows to a push service. Whoever keeps the secrets implements these two; a provider
//! asks for each attempt, so the answer should come from memory most of the time.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::credential::CredentialType;
use countersign_domain::provider_token::KeyFingerprint;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccountSid, CredentialSid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::Webhook;

/// A push credential with its secrets in the clear.
#[derive(Debug, Clone)]
pub struct OpenedCredential {
    /// Its SID.
    pub sid: CredentialSid,
    /// Its version: a client made for an older one is thrown away.
    pub updated_at: Instant,
    /// Whose push service it is for.
    pub kind: CredentialType,
    /// Apple's test environment.
    pub sandbox: bool,
    /// Apple's ten-character id of a `.p8` key.
    pub key_id: Option<String>,
    /// Apple's ten-character id of the developer team.
    pub team_id: Option<String>,
    /// The topic, if it is not the factor's app id.
    pub topic: Option<String>,
    /// APNs: a certificate in PEM.
    pub certificate: Option<Secret>,
    /// APNs: a private key in PEM, either the certificate's or a `.p8` key.
    pub private_key: Option<Secret>,
    /// FCM: the service account's JSON.
    pub secret: Option<Secret>,
}

/// A service's VAPID key in the clear.
#[derive(Debug, Clone)]
pub struct OpenedVapid {
    /// Its version: tokens signed with an older one are thrown away.
    pub updated_at: Instant,
    /// The private key: base64url of the 32 bytes, or a PKCS#8 document in PEM.
    pub private_key: Secret,
}

/// A provider token of Apple's, as all servers of a database share it.
#[derive(Debug, Clone)]
pub struct SharedToken {
    /// From 1; one more for each token that replaces another.
    pub version: i64,
    /// The token.
    pub text: Secret,
    /// When it was signed, by the time of day that all servers go by.
    pub signed_at: Instant,
    /// When Apple last found a token too old before its time, so that one was signed early.
    pub forced_at: Option<Instant>,
}

/// What was asked for cannot be read now. The text goes into an attempt's record, so it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Keeps push credentials.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// A credential; `None` if there is none of that SID.
    async fn credential(
        &self,
        sid: CredentialSid,
    ) -> Result<Option<Arc<OpenedCredential>>, Unavailable>;
}

/// Keeps the provider tokens of Apple's keys, for all servers of a database and over their restarts.
#[async_trait]
pub trait TokenKeeper: Send + Sync {
    /// The token of a key.
    async fn token(&self, key: KeyFingerprint) -> Result<Option<SharedToken>, Unavailable>;
    /// Keeps a token only if its version is the next one; the token that is kept then.
    async fn renew(
        &self,
        key: KeyFingerprint,
        new: SharedToken,
    ) -> Result<SharedToken, Unavailable>;
}

/// Keeps what the calls of webhooks are signed under.
#[async_trait]
pub trait WebhookKeys: Send + Sync {
    /// The account's primary token, and the webhook's own secret.
    async fn webhook_keys(&self, webhook: &Webhook) -> Result<(Secret, Secret), Unavailable>;
}

/// Keeps the VAPID keys of services.
#[async_trait]
pub trait VapidSource: Send + Sync {
    /// The key of an account's service; `None` if it has none.
    async fn vapid(
        &self,
        account: AccountSid,
        service: ServiceSid,
    ) -> Result<Option<Arc<OpenedVapid>>, Unavailable>;
}
