//! The clients of push services and webhooks.

mod outgoing;
mod secrets;
mod trial;
mod webhook_trial;

use std::sync::Arc;

use anyhow::Context as _;
use countersign_bus::Bus;
use countersign_domain::credential::{Credential, CredentialPart};
use countersign_domain::invalid::Invalid;
use countersign_providers::client_call::ClientCallClient;
use countersign_providers::webhook::WebhookClient;
use countersign_providers::{CallTimeouts, Guard, Outgoing, ProviderTokens, Providers, PushParts};
use countersign_verify::{CredentialSecrets, Verify};

use crate::config::Config;
use crate::test_mode::Tested;
use crate::world::World;

use outgoing::NOT_RIGHT;
use secrets::PushSecrets;
use trial::CredentialTrial;
use webhook_trial::WebhookTrial;

pub(crate) use outgoing::{outgoing, web_push_fault};
pub(crate) use secrets::opened;

/// The values that all clients need.
pub(crate) struct PushContext {
    pub(crate) outgoing: Outgoing,
    /// Checks the addresses that tenants and devices chose.
    pub(crate) guard: Guard,
    /// The provider tokens of Apple's keys, shared by all servers of the database.
    pub(crate) apple: Arc<ProviderTokens>,
    secrets: Arc<PushSecrets>,
    verify: Arc<Verify>,
}

impl PushContext {
    /// # Errors
    /// A setting of `[outgoing]` is invalid; it is named.
    pub(crate) fn new(config: &Config, verify: &Arc<Verify>) -> anyhow::Result<Self> {
        let outgoing = outgoing(config)?;
        let guard = Guard::new(&outgoing, CallTimeouts::default()).context(NOT_RIGHT)?;
        let secrets = Arc::new(PushSecrets(Arc::clone(verify)));
        let apple = Arc::new(ProviderTokens::new(Arc::clone(&secrets) as _));
        Ok(Self { outgoing, guard, apple, secrets, verify: Arc::clone(verify) })
    }

    /// The clients of all platforms.
    ///
    /// # Errors
    /// A setting of `[outgoing]` is invalid.
    pub(crate) fn providers(&self, world: &World, bus: Arc<dyn Bus>) -> anyhow::Result<Providers> {
        let parts = PushParts {
            credentials: Arc::clone(&self.secrets) as _,
            apple: Arc::clone(&self.apple),
            vapid: Arc::clone(&self.secrets) as _,
            outgoing: self.outgoing.clone(),
            guard: self.guard.clone(),
            clock: Arc::clone(&world.clock),
            entropy: Arc::clone(&world.entropy),
        };
        let providers = Providers::with_push(bus, parts).context(NOT_RIGHT)?;
        Ok(match &world.test_mode {
            Some(mode) => {
                providers.wrapped(|inner| Box::new(Tested { inner, mode: Arc::clone(mode) }) as _)
            }
            None => providers,
        })
    }

    /// The client of webhooks.
    ///
    /// # Errors
    /// A setting of `[outgoing]` is invalid.
    pub(crate) fn webhooks(&self, world: &World) -> anyhow::Result<WebhookClient> {
        let keys = Arc::clone(&self.secrets) as _;
        WebhookClient::new(&self.outgoing, keys, Arc::clone(&world.clock)).context(NOT_RIGHT)
    }

    /// The client that reports ended questions to the clients that asked them.
    ///
    /// # Errors
    /// A setting of `[outgoing]` is invalid.
    pub(crate) fn clients(&self, world: &World) -> anyhow::Result<ClientCallClient> {
        let calls = Arc::clone(&self.secrets) as _;
        ClientCallClient::new(&self.outgoing, calls, Arc::clone(&world.clock)).context(NOT_RIGHT)
    }

    /// The test of webhooks that the console offers.
    ///
    /// # Errors
    /// A setting of `[outgoing]` is invalid.
    pub(crate) fn webhook_trial(&self, world: &World) -> anyhow::Result<WebhookTrial> {
        let client = self.webhooks(world)?;
        Ok(WebhookTrial { client, world: world.clone(), node: self.verify.node() })
    }

    /// The test of credentials that the console offers.
    pub(crate) fn trial(&self, world: &World) -> CredentialTrial {
        CredentialTrial {
            verify: Arc::clone(&self.verify),
            outgoing: self.outgoing.clone(),
            guard: self.guard.clone(),
            apple: Arc::clone(&self.apple),
            world: world.clone(),
        }
    }
}

/// Checks that pushes can be sent with a credential.
///
/// # Errors
/// The invalid part of the credential, and the reason.
pub fn check_credential(
    credential: &Credential,
    secrets: &CredentialSecrets,
) -> Result<(), (CredentialPart, Invalid)> {
    countersign_providers::check_credential(&opened(credential, secrets))
        .map_err(|bad| (bad.part, bad.why))
}
