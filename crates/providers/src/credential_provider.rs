//! The provider for push services that need a credential, Apple's and Google's: one client for each credential.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::credential::CredentialType;
use countersign_domain::ending::ErrorCode;
use countersign_domain::invalid::Invalid;
use countersign_domain::outage::{Destination, Outage};
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::Push;
use countersign_domain::sid::CredentialSid;
use countersign_domain::world::Clock;

use crate::codes;
use crate::destinations::Destinations;
use crate::reasons;
use crate::seam::Provider;
use crate::source::{CredentialSource, OpenedCredential};

/// Clients of one push service at most, one for each credential. Each takes about 110 KiB, most of it for root certificates.
const CLIENTS: usize = 512;

/// A push service that needs a credential.
#[async_trait]
pub(crate) trait PushService: Send + Sync {
    /// The type of its credentials.
    const KIND: CredentialType;
    /// The code of a credential that cannot be used.
    const UNUSABLE: ErrorCode;
    /// The client of one credential.
    type Client: Send + Sync;

    /// Makes the client of a credential. Called once for each version of it.
    ///
    /// # Errors
    /// The credential cannot be used.
    fn client(&self, credential: &OpenedCredential) -> Result<Self::Client, Invalid>;

    /// Makes one attempt.
    async fn send(&self, client: &Self::Client, push: &Push) -> Attempt;
}

/// The provider for such a push service.
pub(crate) struct CredentialProvider<S: PushService> {
    service: S,
    source: Arc<dyn CredentialSource>,
    clock: Arc<dyn Clock>,
    destinations: Destinations<CredentialSid, Result<S::Client, Invalid>>,
}

impl<S: PushService> CredentialProvider<S> {
    pub(crate) fn new(
        service: S,
        source: Arc<dyn CredentialSource>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let destinations = Destinations::new(S::KIND.as_str(), CLIENTS);
        Self { service, source, clock, destinations }
    }

    async fn credential(&self, push: &Push) -> Result<Arc<OpenedCredential>, Attempt> {
        let sid = push.target.credential.ok_or_else(|| {
            refused(codes::CREDENTIAL_MISSING, "the service has no credential for this platform")
        })?;
        let found = self.source.credential(sid).await.map_err(|unavailable| Attempt {
            provider_reason: reasons::clean(&unavailable.to_string()),
            ..Attempt::plain(Outcome::Later { not_before: None }, Some(codes::INTERNAL))
        })?;
        let found = found.ok_or_else(|| {
            refused(codes::CREDENTIAL_UNKNOWN, "the service's credential does not exist")
        })?;
        if found.kind == S::KIND {
            Ok(found)
        } else {
            Err(refused(codes::CREDENTIAL_TYPE, "the service's credential is of another type"))
        }
    }
}

#[async_trait]
impl<S: PushService> Provider for CredentialProvider<S> {
    async fn send(&self, push: &Push) -> Attempt {
        let credential = match self.credential(push).await {
            Ok(credential) => credential,
            Err(attempt) => return attempt,
        };
        let now = self.clock.monotonic();
        let destination = self.destinations.of(&credential.sid, credential.updated_at, now);
        match destination.get_or_make(|| self.service.client(&credential)) {
            Ok(client) => {
                let send = async { reasons::redact(push, self.service.send(client, push).await) };
                destination.guarded(&*self.clock, &credential.sid, push.expires_at, send).await
            }
            Err(why) => refused(S::UNUSABLE, &format!("the credential cannot be used: {why}")),
        }
    }

    fn outages(&self) -> Vec<Outage> {
        self.destinations.outages(|credential| Destination::Credential(*credential))
    }
}

/// An attempt for which nothing was sent, and that a retry would not change.
pub(crate) fn refused(code: ErrorCode, reason: &str) -> Attempt {
    Attempt {
        outcome: Outcome::Refused { breaks_credential: false },
        provider_status: None,
        provider_reason: reasons::clean(reason),
        code: Some(code),
    }
}

#[cfg(test)]
mod tests;
