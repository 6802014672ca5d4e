//! The stream that a device holds beside its push service, as a browser's open page does. A prompt is offered there first, so
//! that it appears at once however slow or crowded the push service is.

use std::time::Duration;

use countersign_domain::address::Platform;
use countersign_domain::delivery::{Delivery, Outcome, Push, Target};
use countersign_domain::time::Instant;

use crate::shared::Shared;

/// How long the device has to acknowledge before its push service is called too. A page that a phone has frozen still holds
/// its stream and acknowledges nothing, so this is also what such a page costs.
const HEAD_START: Duration = Duration::from_millis(500);

/// What became of an offer on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    /// The device acknowledged it: its push service is not needed.
    Acknowledged,
    /// The device holds no stream. Nothing was waited for.
    Nobody,
    /// The device was offered it and said nothing in time, or is too busy.
    Silent,
}

/// Whether a device there may hold a stream beside its push service.
pub(crate) fn is_possible(target: &Target) -> bool {
    let platform = target.address.platform();
    platform.may_stream() && platform != Platform::Stream
}

/// Offers a push on the stream of its device, for the head start, or for half of the time that is left if that is shorter:
/// the push service must still be called in time.
pub(crate) async fn offer(
    shared: &Shared,
    delivery: &Delivery,
    push: &Push,
    now: Instant,
) -> Beside {
    let head_start = HEAD_START.min(delivery.deadline.since(now) / 2);
    let sending = shared.providers.for_platform(Platform::Stream).send(push);
    tokio::select! {
        biased;
        attempt = sending => match attempt.outcome {
            Outcome::Acknowledged => Beside::Acknowledged,
            Outcome::Offline => Beside::Nobody,
            _ => Beside::Silent,
        },
        () = shared.clock.sleep(head_start) => Beside::Silent,
    }
}
