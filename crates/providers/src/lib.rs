//! One folder or file for each push service. An address in, an [`Attempt`] out: [`countersign_domain::outcome::after_attempt`]
//! decides what an attempt means for its delivery.
//!
//! [`Attempt`]: countersign_domain::outcome::Attempt

pub mod codes;
pub mod fuzzing;
pub mod guard;
pub mod outgoing;
pub mod seam;
pub mod source;
pub mod stream;
pub mod test_push;
pub mod unconfigured;

mod apns;
mod call_error;
mod check;
mod circuit;
pub mod client_call;
mod connections;
mod credential_provider;
mod destinations;
mod exchange;
mod fcm;
mod jwt;
mod lock;
mod metrics;
mod pem;
mod reasons;
pub mod webhook;
mod webpush;
pub mod witness;

#[cfg(test)]
mod fixtures;

use std::sync::Arc;

use countersign_bus::Bus;
use countersign_domain::address::Platform;
use countersign_domain::invalid::Invalid;
use countersign_domain::outage::Outage;
use countersign_domain::world::{Clock, Entropy};

pub use apns::ProviderTokens;
pub use check::{CredentialError, check_credential};
pub use guard::{Allowed, CallTimeouts, Guard, GuardError, SystemResolver};
pub use outgoing::Outgoing;
pub use seam::Provider;
pub use source::{
    ClientCalls, CredentialSource, OpenedClientCall, OpenedCredential, OpenedVapid, SharedToken,
    TokenStore, Unavailable, VapidSource, WebhookKeys,
};
pub use webpush::{NewVapidKey, VapidSubject, new_vapid_key, vapid_public_key};

use crate::apns::Apns;
use crate::credential_provider::CredentialProvider;
use crate::fcm::Fcm;
use crate::stream::Stream;
use crate::unconfigured::Unconfigured;
use crate::webpush::WebPush;

/// The providers of all platforms.
pub struct Providers {
    stream: Box<dyn Provider>,
    apn: Box<dyn Provider>,
    fcm: Box<dyn Provider>,
    web_push: Box<dyn Provider>,
}

/// The dependencies of the providers for push services.
pub struct PushParts {
    /// The push credentials.
    pub credentials: Arc<dyn CredentialSource>,
    /// The provider tokens of Apple's keys, shared with other users of those keys.
    pub apple: Arc<ProviderTokens>,
    /// The VAPID keys of services.
    pub vapid: Arc<dyn VapidSource>,
    /// The settings for outgoing calls.
    pub outgoing: Outgoing,
    /// The guard for addresses that tenants and devices chose, made of the same settings.
    pub guard: Guard,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Providers {
    /// Only the device stream, over `bus`. Pushes to push services fail with an error.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self {
            stream: Box::new(Stream::new(bus)),
            apn: Box::new(Unconfigured),
            fcm: Box::new(Unconfigured),
            web_push: Box::new(Unconfigured),
        }
    }

    /// All providers: the device stream, Apple, Google and browsers.
    ///
    /// # Errors
    /// The settings for outgoing calls cannot be used.
    pub fn with_push(bus: Arc<dyn Bus>, parts: PushParts) -> Result<Self, Invalid> {
        let PushParts { credentials, apple, vapid, outgoing, guard, clock, entropy } = parts;
        outgoing.check()?;
        let apns = Apns::new(outgoing.clone(), Arc::clone(&clock), apple);
        let fcm = Fcm::new(outgoing.clone(), guard.clone(), Arc::clone(&clock));
        Ok(Self {
            stream: Box::new(Stream::new(bus)),
            apn: Box::new(CredentialProvider::new(
                apns,
                Arc::clone(&credentials),
                Arc::clone(&clock),
            )),
            fcm: Box::new(CredentialProvider::new(fcm, credentials, Arc::clone(&clock))),
            web_push: Box::new(WebPush::new(vapid, guard, &outgoing, clock, entropy)),
        })
    }

    /// Replaces the provider of one platform. The platform `none` has no provider.
    #[must_use]
    pub fn with(mut self, platform: Platform, provider: impl Provider + 'static) -> Self {
        let provider = Box::new(provider);
        match platform {
            Platform::Stream => self.stream = provider,
            Platform::Apn => self.apn = provider,
            Platform::Fcm => self.fcm = provider,
            Platform::WebPush => self.web_push = provider,
            Platform::None => {}
        }
        self
    }

    /// Puts each provider of a push service into another one.
    #[must_use]
    pub fn wrapped(self, wrap: impl Fn(Box<dyn Provider>) -> Box<dyn Provider>) -> Self {
        let Self { stream, apn, fcm, web_push } = self;
        Self { stream, apn: wrap(apn), fcm: wrap(fcm), web_push: wrap(web_push) }
    }

    /// To whom nothing is sent now.
    pub fn outages(&self) -> Vec<Outage> {
        [&self.stream, &self.apn, &self.fcm, &self.web_push]
            .into_iter()
            .flat_map(|provider| provider.outages())
            .collect()
    }

    /// The provider of a platform.
    pub fn for_platform(&self, platform: Platform) -> &dyn Provider {
        match platform {
            Platform::Stream => &*self.stream,
            Platform::Apn => &*self.apn,
            Platform::Fcm => &*self.fcm,
            Platform::WebPush => &*self.web_push,
            Platform::None => &Unconfigured,
        }
    }
}
