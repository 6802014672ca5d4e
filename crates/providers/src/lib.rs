//! One folder or file per push service. An address in, an [`Attempt`] out, and nothing else: what an attempt means for
//! a delivery is decided by [`countersign_domain::delivery::after_attempt`].
//!
//! [`Attempt`]: countersign_domain::delivery::Attempt

pub mod absent;
pub mod seam;
pub mod stream;

use std::sync::Arc;

use countersign_bus::Bus;
use countersign_domain::address::Platform;

pub use seam::Provider;

use crate::absent::Absent;
use crate::stream::Stream;

/// Every way to reach a device that this server has.
pub struct Providers {
    stream: Box<dyn Provider>,
    apn: Box<dyn Provider>,
    fcm: Box<dyn Provider>,
    web_push: Box<dyn Provider>,
}

impl Providers {
    /// All of them. The stream goes over `bus`.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self {
            stream: Box::new(Stream::new(bus)),
            apn: Box::new(Absent),
            fcm: Box::new(Absent),
            web_push: Box::new(Absent),
        }
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
