//! What Apple and Google have in common: a push needs a credential, and a client is made from it.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::credential::CredentialType;
use countersign_domain::ending::ErrorCode;
use countersign_domain::invalid::Invalid;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::Push;
use countersign_domain::sid::CredentialSid;
use countersign_domain::world::Clock;

use crate::codes;
use crate::seam::Provider;
use crate::source::{CredentialSource, OpenedCredential};
use crate::wards::Wards;
use crate::words;

/// The most credentials of one push service with connections of their own. Each takes some 110 KiB, most of it for the
/// roots that its certificates are checked against.
const CLIENTS: usize = 512;

/// A push service that wants to see a credential.
#[async_trait]
pub(crate) trait Vendor: Send + Sync {
    /// The credentials that are for it.
    const KIND: CredentialType;
    /// The code of a credential that cannot be used.
    const UNUSABLE: ErrorCode;
    /// What is made of a credential.
    type Client: Send + Sync;

    /// Makes a client. Not called again for the same version of the credential.
    fn client(&self, credential: &OpenedCredential) -> Result<Self::Client, Invalid>;

    /// Makes one attempt.
    async fn send(&self, client: &Self::Client, push: &Push) -> Attempt;
}

/// A provider for such a push service.
pub(crate) struct Keyed<V: Vendor> {
    vendor: V,
    source: Arc<dyn CredentialSource>,
    clock: Arc<dyn Clock>,
    wards: Wards<CredentialSid, Result<V::Client, Invalid>>,
}

impl<V: Vendor> Keyed<V> {
    pub(crate) fn new(vendor: V, source: Arc<dyn CredentialSource>, clock: Arc<dyn Clock>) -> Self {
        Self { vendor, source, clock, wards: Wards::new(V::KIND.as_str(), CLIENTS) }
    }

    async fn credential(&self, push: &Push) -> Result<Arc<OpenedCredential>, Attempt> {
        let sid = push.target.credential.ok_or_else(|| {
            refused(codes::CREDENTIAL_MISSING, "the service has no credential for this platform")
        })?;
        let found = self.source.credential(sid).await.map_err(|unavailable| Attempt {
            provider_reason: words::plain(&unavailable.to_string()),
            ..Attempt::plain(Outcome::Later { not_before: None }, Some(codes::INTERNAL))
        })?;
        let found = found.ok_or_else(|| {
            refused(codes::CREDENTIAL_UNKNOWN, "the service's credential does not exist")
        })?;
        if found.kind == V::KIND {
            Ok(found)
        } else {
            Err(refused(codes::CREDENTIAL_TYPE, "the service's credential is of another type"))
        }
    }
}

#[async_trait]
impl<V: Vendor> Provider for Keyed<V> {
    async fn send(&self, push: &Push) -> Attempt {
        let credential = match self.credential(push).await {
            Ok(credential) => credential,
            Err(attempt) => return attempt,
        };
        let ward = self.wards.of(&credential.sid, credential.updated_at, self.clock.monotonic());
        match ward.get_or_make(|| self.vendor.client(&credential)) {
            Ok(client) => {
                let send = async { words::fit(push, self.vendor.send(client, push).await) };
                ward.guarded(&*self.clock, &credential.sid, push.expires_at, send).await
            }
            Err(why) => refused(V::UNUSABLE, &format!("the credential cannot be used: {why}")),
        }
    }
}

/// Nothing was sent, and nothing else would come of another try.
pub(crate) fn refused(code: ErrorCode, words: &str) -> Attempt {
    Attempt {
        outcome: Outcome::Refused { breaks_credential: false },
        provider_status: None,
        provider_reason: words::plain(words),
        code: Some(code),
    }
}

#[cfg(test)]
mod tests;
