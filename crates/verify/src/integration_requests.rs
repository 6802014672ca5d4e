//! Authenticates the requests of integrations that name themselves by a key.

use std::net::IpAddr;
use std::sync::Arc;

use countersign_domain::client_network::ClientNetwork;
use countersign_domain::integration::{Integration, IntegrationKey, IntegrationKind};
use countersign_domain::one_time_right::RightId;
use countersign_domain::presence::PresenceNumber;
use countersign_domain::time::Instant;

use crate::error::{AuthError, VerifyError, VerifyResult};

use crate::known_credentials::Presented;
use crate::opened_integration::OpenedIntegration;
use crate::security::{self, Event};
use crate::verify::Verify;

impl Verify {
    /// Authenticates a request of an integration: one of this kind, with this key, that may be used from this address, and whose
    /// secret has signed the request as `is_signed` finds. Others count as failed credentials of the address.
    ///
    /// # Errors
    /// [`AuthError::Unknown`], whether the key, the address or the signature is wrong; [`AuthError::TooManyFailures`]. Of a
    /// request that is signed also [`AuthError::Suspended`] and [`AuthError::TooManyRequests`].
    pub async fn authenticate_integration(
        &self,
        from: Option<IpAddr>,
        kind: IntegrationKind,
        key: &str,
        is_signed: impl FnOnce(&OpenedIntegration) -> bool + Send,
    ) -> Result<Arc<OpenedIntegration>, AuthError> {
        let judge = async {
            let key: IntegrationKey = key.parse().map_err(|_| AuthError::Unknown)?;
            let opened = self.cached_integration(key).await?.ok_or(AuthError::Unknown)?;
            let integration = &opened.integration;
            let networks = &integration.settings.networks;
            let is_there = networks.is_empty() || from.is_some_and(|from| networks.allow(from));
            let is_good = integration.kind == kind && is_there && is_signed(&opened);
            if is_good { Ok(opened) } else { Err(AuthError::Unknown) }
        };
        // A signature is of one request, so the key is what is remembered.
        let presented = Presented::Secret(key, "");
        let opened = match from.map(ClientNetwork::of) {
            None => judge.await?,
            Some(from) => {
                let opened = self.judge_from(from, true, || presented, judge).await?;
                self.failures.worked(from, presented, self.monotonic());
                opened
            }
        };
        let (account, service) = (opened.integration.account, opened.integration.service);
        self.check_active(account).await?;
        match self.service(account, service).await {
            Ok(_) => {}
            Err(VerifyError::Store(error)) => return Err(error.into()),
            Err(_) => return Err(AuthError::Unknown),
        }
        if self.rates.allow_request(account) { Ok(opened) } else { Err(AuthError::TooManyRequests) }
    }

    /// Uses up an assertion that a client has signed and that ends at `until`, by its id. Returns whether it was not used before.
    ///
    /// # Errors
    /// The database failed.
    pub async fn use_assertion(
        &self,
        client: &Integration,
        id: &str,
        until: Instant,
    ) -> VerifyResult<bool> {
        let right = RightId::of("assertion", &format!("{} {id}", client.sid));
        let is_first = self.store.use_right(right, until).await?;
        if !is_first {
            let subject: &dyn std::fmt::Display = &client.sid;
            let why = "the assertion was used before";
            security::refused(Event::Credentials, client.account, Some(subject), &why);
        }
        Ok(is_first)
    }

    /// A number for a page that shows it before its person is asked.
    pub fn presence_number(&self) -> PresenceNumber {
        PresenceNumber::draw(&*self.entropy)
    }
}
