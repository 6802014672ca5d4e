//! Offers a prompt on the stream that a device holds beside its push service, as a browser's open page does. The prompt
//! appears there at once, however slow or crowded the push service is.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::address::Platform;
use countersign_domain::delivery::Delivery;
use countersign_domain::outcome::Outcome;
use countersign_domain::prospect::{Push, Target};
use countersign_domain::time::Instant;
use countersign_providers::Providers;

use crate::timing::Timing;

/// How long the device has to acknowledge before its push service is called too. A page that a phone has frozen still
/// holds its stream and acknowledges nothing; for such a page this is the added delay.
const HEAD_START: Duration = Duration::from_millis(500);

/// The outcome of an offer on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnStream {
    /// The device acknowledged it: its push service is not needed.
    Acknowledged,
    /// The device holds no stream. No time has passed.
    NotConnected,
    /// The device did not acknowledge within the head start, or is too busy.
    Unacknowledged,
}

/// Offers prompts on the stream.
pub(crate) struct StreamOffers {
    pub(crate) providers: Arc<Providers>,
    pub(crate) timing: Timing,
}

/// Whether a device there may hold a stream beside its push service.
pub(crate) fn is_possible(target: &Target) -> bool {
    let platform = target.address.platform();
    platform.may_stream() && platform != Platform::Stream
}

impl StreamOffers {
    /// Offers a push on the stream of its device. Waits for the head start, or for half of the remaining time if that is
    /// shorter: the push service must still be called in time.
    pub(crate) async fn offer(&self, delivery: &Delivery, push: &Push, now: Instant) -> OnStream {
        let head_start = HEAD_START.min(delivery.deadline.since(now) / 2);
        let sending = self.providers.for_platform(Platform::Stream).send(push);
        tokio::select! {
            biased;
            attempt = sending => match attempt.outcome {
                Outcome::Acknowledged => OnStream::Acknowledged,
                Outcome::Offline => OnStream::NotConnected,
                _ => OnStream::Unacknowledged,
            },
            () = self.timing.sleep(head_start) => OnStream::Unacknowledged,
        }
    }
}
