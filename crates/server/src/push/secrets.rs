//! Supplies the clients of push services with opened secrets: credentials, VAPID keys and provider tokens.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::backchannel::BackchannelRequest;
use countersign_domain::credential::Credential;
use countersign_domain::provider_token::{KeyFingerprint, ProviderToken};
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccountSid, CredentialSid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::Webhook;
use countersign_providers::{
    ClientCalls, CredentialSource, OpenedClientCall, OpenedCredential, OpenedVapid, SharedToken,
    TokenStore, Unavailable, VapidSource, WebhookKeys,
};
use countersign_verify::backchannel::ClientCall;
use countersign_verify::provider_tokens::NewProviderToken;
use countersign_verify::{CredentialSecrets, Verify, VerifyError};

/// A credential in the form that a provider takes.
pub(crate) fn opened(credential: &Credential, secrets: &CredentialSecrets) -> OpenedCredential {
    OpenedCredential {
        sid: credential.sid,
        updated_at: credential.updated_at,
        kind: credential.kind,
        sandbox: credential.sandbox,
        key_id: credential.key_id.clone(),
        team_id: credential.team_id.clone(),
        topic: credential.topic.clone(),
        certificate: secrets.certificate.clone(),
        private_key: secrets.private_key.clone(),
        secret: secrets.secret.clone(),
    }
}

/// Supplies secrets from the use cases.
pub(super) struct PushSecrets(pub(super) Arc<Verify>);

#[async_trait]
impl CredentialSource for PushSecrets {
    async fn credential(
        &self,
        sid: CredentialSid,
    ) -> Result<Option<Arc<OpenedCredential>>, Unavailable> {
        let found = self.0.opened_credential(sid).await;
        let found = found.map_err(|error| Unavailable(error.to_string()))?;
        Ok(found.map(|found| Arc::new(opened(&found.0, &found.1))))
    }
}

#[async_trait]
impl TokenStore for PushSecrets {
    async fn token(&self, key: KeyFingerprint) -> Result<Option<SharedToken>, Unavailable> {
        let found = self.0.provider_token(key).await;
        let found = found.map_err(|error| Unavailable(error.to_string()))?;
        Ok(found.map(shared))
    }

    async fn renew(
        &self,
        key: KeyFingerprint,
        new: SharedToken,
    ) -> Result<SharedToken, Unavailable> {
        let SharedToken { version, text, signed_at, forced_at } = new;
        let there = self
            .0
            .renew_provider_token(NewProviderToken { key, version, signed_at, forced_at }, &text);
        there.await.map(shared).map_err(|error| Unavailable(error.to_string()))
    }
}

fn shared((found, text): (ProviderToken, Secret)) -> SharedToken {
    let ProviderToken { version, signed_at, forced_at, .. } = found;
    SharedToken { version, text, signed_at, forced_at }
}

#[async_trait]
impl VapidSource for PushSecrets {
    async fn vapid(
        &self,
        account: AccountSid,
        service: ServiceSid,
    ) -> Result<Option<Arc<OpenedVapid>>, Unavailable> {
        let key = self.0.vapid(account, service).await;
        let private_key = key.map_err(|error| Unavailable(error.to_string()))?.private_key;
        // Derived from the master key and the SID, so it has only one version.
        Ok(Some(Arc::new(OpenedVapid { updated_at: Instant::from_seconds(0), private_key })))
    }
}

#[async_trait]
impl ClientCalls for PushSecrets {
    async fn client_call(
        &self,
        request: &BackchannelRequest,
    ) -> Result<Option<OpenedClientCall>, Unavailable> {
        let unavailable = |error: VerifyError| Unavailable(error.to_string());
        let (account, service) = (request.account, request.service);
        match self.0.integration(account, service, request.integration).await {
            Ok(_) => {}
            Err(VerifyError::NotFound) => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        }
        let call = self.0.client_call(request).await.map_err(unavailable)?;
        Ok(call.map(|ClientCall { url, bearer, handle }| OpenedClientCall {
            url,
            bearer: Secret::new(bearer),
            handle: handle.map(Secret::new),
        }))
    }
}

#[async_trait]
impl WebhookKeys for PushSecrets {
    async fn webhook_keys(&self, webhook: &Webhook) -> Result<(Secret, Secret), Unavailable> {
        let found = self.0.webhook_keys(webhook.account, webhook.sid).await;
        found.map_err(|error| Unavailable(error.to_string()))
    }
}
