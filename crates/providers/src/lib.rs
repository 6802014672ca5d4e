//! One folder or file per push service. An address in, an [`Attempt`] out, and nothing else: what an attempt means for
//! a delivery is decided by [`countersign_domain::outcome::after_attempt`].
//!
//! [`Attempt`]: countersign_domain::outcome::Attempt

pub mod absent;
pub mod codes;
pub mod guard;
pub mod outgoing;
pub mod seam;
pub mod source;
pub mod stream;
pub mod trial;

mod apns;
mod check;
mod circuit;
mod connections;
mod exchange;
mod fcm;
mod jwt;
mod keyed;
mod metrics;
mod pem;
mod wards;
pub mod webhook;
mod webpush;
mod words;

#[cfg(test)]
mod fixtures;

use std::sync::Arc;

use countersign_bus::Bus;
use countersign_domain::address::Platform;
use countersign_domain::invalid::Invalid;
use countersign_domain::world::{Clock, Entropy};

pub use apns::ProviderTokens;
pub use check::{BadCredential, check_credential};
pub use guard::{Allowed, Denied, Guard, Manners, SystemNames};
pub use outgoing::Outgoing;
pub use seam::Provider;
pub use source::{
    CredentialSource, OpenedCredential, OpenedVapid, SharedToken, TokenKeeper, Unavailable,
    VapidSource, WebhookKeys,
};
pub use webpush::{NewVapidKey, VapidSubject, new_vapid_key, vapid_public_key};

use crate::absent::Absent;
use crate::apns::Apns;
use crate::fcm::Fcm;
use crate::keyed::Keyed;
use crate::stream::Stream;
use crate::webpush::WebPush;

/// Every way to reach a device that this server has.
pub struct Providers {
    stream: Box<dyn Provider>,
    apn: Box<dyn Provider>,
    fcm: Box<dyn Provider>,
    web_push: Box<dyn Provider>,
}

/// What the clients of push services are made of.
pub struct PushParts {
    /// Who keeps push credentials.
    pub credentials: Arc<dyn CredentialSource>,
    /// The tokens of Apple's keys, shared with whoever else uses those.
    pub apple: Arc<ProviderTokens>,
    /// Who keeps the VAPID keys of services.
    pub vapid: Arc<dyn VapidSource>,
    /// How others are called.
    pub outgoing: Outgoing,
    /// The guard before addresses that tenants and devices chose, made of the same settings.
    pub guard: Guard,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Providers {
    /// Only our own stream, which goes over `bus`. Pushes to the push services of others fail visibly.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self {
            stream: Box::new(Stream::new(bus)),
            apn: Box::new(Absent),
            fcm: Box::new(Absent),
            web_push: Box::new(Absent),
        }
    }

    /// All of them, with clients for the push services of Apple, Google and browsers.
    ///
    /// # Errors
    /// The settings for outgoing calls are no use.
    pub fn with_push(bus: Arc<dyn Bus>, parts: PushParts) -> Result<Self, Invalid> {
        let PushParts { credentials, apple, vapid, outgoing, guard, clock, entropy } = parts;
        outgoing.check()?;
        let apns = Apns::new(outgoing.clone(), Arc::clone(&clock), apple);
        let fcm = Fcm::new(outgoing.clone(), guard.clone(), Arc::clone(&clock));
        Ok(Self {
            stream: Box::new(Stream::new(bus)),
            apn: Box::new(Keyed::new(apns, Arc::clone(&credentials), Arc::clone(&clock))),
            fcm: Box::new(Keyed::new(fcm, credentials, Arc::clone(&clock))),
            web_push: Box::new(WebPush::new(vapid, guard, &outgoing, clock, entropy)),
        })
    }

    /// The same, with `provider` for one platform. There is never one for `none`.
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

    /// The one for a platform.
    pub fn for_platform(&self, platform: Platform) -> &dyn Provider {
        match platform {
            Platform::Stream => &*self.stream,
            Platform::Apn => &*self.apn,
            Platform::Fcm => &*self.fcm,
            Platform::WebPush => &*self.web_push,
            Platform::None => &Absent,
        }
    }
}
