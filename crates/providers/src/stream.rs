//! The device stream: offers a push over the bus to the socket of its device.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_bus::{Bus, Offer, OfferOutcome};
use countersign_domain::ending::ErrorCode;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::Push;

use crate::seam::Provider;

/// The device stream.
pub struct Stream {
    bus: Arc<dyn Bus>,
}

impl Stream {
    /// A provider over a bus.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus }
    }
}

#[async_trait]
impl Provider for Stream {
    async fn send(&self, push: &Push) -> Attempt {
        let offer = Offer {
            notification: push.notification,
            challenge: push.challenge,
            factor: push.factor,
            message: push.message.clone(),
            manner: push.manner.clone(),
            expires_at: push.expires_at,
        };
        match self.bus.offer(offer).await {
            OfferOutcome::Acknowledged => Attempt::plain(Outcome::Acknowledged, None),
            OfferOutcome::Unacknowledged => Attempt::plain(Outcome::Unacknowledged, None),
            OfferOutcome::NotConnected => {
                Attempt::plain(Outcome::Offline, Some(ErrorCode::NO_DESTINATION))
            }
            // The device is present and slow: retried, since a parked delivery would wait until it reconnects.
            OfferOutcome::Busy => Attempt::plain(Outcome::Later { not_before: None }, None),
        }
    }
}
