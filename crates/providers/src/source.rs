//! The sources of the secrets that providers need. A provider asks for each attempt, so an implementation should respond from
//! memory most of the time.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::backchannel::BackchannelRequest;
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
    /// Its version: a client made for an older one is discarded.
    pub updated_at: Instant,
    /// The push service that it is for.
    pub kind: CredentialType,
    /// APNs: whether it is for the sandbox.
    pub sandbox: bool,
    /// APNs: the ten-character id of a `.p8` key.
    pub key_id: Option<String>,
    /// APNs: the ten-character id of the developer team.
    pub team_id: Option<String>,
    /// APNs: the topic, if it is not the factor's app id.
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
    /// Its version: tokens signed with an older one are discarded.
    pub updated_at: Instant,
    /// The private key: base64url of the 32 bytes, or a PKCS#8 document in PEM.
    pub private_key: Secret,
}

/// A provider token for APNs, shared by all servers of a database.
#[derive(Debug, Clone)]
pub struct SharedToken {
    /// The version: 1 for the first token, plus one for each later one.
    pub version: i64,
    /// The token.
    pub text: Secret,
    /// When it was signed, by the time of day.
    pub signed_at: Instant,
    /// When a token was last signed early because Apple had rejected one as too old.
    pub forced_at: Option<Instant>,
}

/// A secret cannot be read now. The text goes into an attempt's record, so it must hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// The push credentials.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// A credential; `None` if there is none of that SID.
    async fn credential(
        &self,
        sid: CredentialSid,
    ) -> Result<Option<Arc<OpenedCredential>>, Unavailable>;
}

/// The provider tokens of Apple's keys, shared by all servers of a database and kept over their restarts.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// The token of a key.
    async fn token(&self, key: KeyFingerprint) -> Result<Option<SharedToken>, Unavailable>;
    /// Stores a token if its version is the next one. Returns the token that is stored then.
    async fn renew(
        &self,
        key: KeyFingerprint,
        new: SharedToken,
    ) -> Result<SharedToken, Unavailable>;
}

/// The keys that sign webhook calls.
#[async_trait]
pub trait WebhookKeys: Send + Sync {
    /// The account's primary token, and the webhook's own secret.
    async fn webhook_keys(&self, webhook: &Webhook) -> Result<(Secret, Secret), Unavailable>;
}

/// The address and token that a client is called with, in the clear.
pub struct OpenedClientCall {
    /// The address.
    pub url: String,
    /// The bearer token.
    pub bearer: Secret,
    /// The name by which the client fetches the answer, if it is told that.
    pub handle: Option<Secret>,
}

/// Opens the sealed addresses and tokens of clients.
#[async_trait]
pub trait ClientCalls: Send + Sync {
    /// The address and token for the client of a request; `None` if they are gone.
    async fn client_call(
        &self,
        request: &BackchannelRequest,
    ) -> Result<Option<OpenedClientCall>, Unavailable>;
}

/// The VAPID keys of services.
#[async_trait]
pub trait VapidSource: Send + Sync {
    /// The key of an account's service; `None` if it has none.
    async fn vapid(
        &self,
        account: AccountSid,
        service: ServiceSid,
    ) -> Result<Option<Arc<OpenedVapid>>, Unavailable>;
}
