//! The call to a provider, with all that may go wrong with one.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use countersign_domain::address::Platform;
use countersign_domain::delivery::{Attempt, Lease, Outcome, Push};
use countersign_domain::notification::Code;
use countersign_domain::time::Instant;
use futures_util::FutureExt;

use crate::attempt;
use crate::shared::Shared;

/// Hands a push to its provider at the instant `now`. Ends when the lease is about to, and whatever the provider does.
pub(crate) async fn send(shared: &Shared, lease: &Lease, push: &Push, now: Instant) -> Attempt {
    shared.signals.add(|counts| counts.attempted += 1);
    let began = shared.clock.monotonic();
    let limit = began + attempt::limit(lease).since(now);
    let platform = push.target.address.platform();
    let provider = shared.providers.for_platform(platform);
    // A provider shares nothing with us that a panic could leave half changed.
    let sending = AssertUnwindSafe(async { provider.send(push).await }).catch_unwind();
    let mut sending = pin!(sending);

    if platform == Platform::Stream {
        tokio::select! {
            biased;
            sent = &mut sending => return sent.unwrap_or_else(|_| panicked(push)),
            () = shared.clock.sleep(shared.options.written_after) => {}
        }
        let now = shared.clock.now();
        shared.results.mark_written(*lease, now);
    }
    tokio::select! {
        biased;
        sent = &mut sending => sent.unwrap_or_else(|_| panicked(push)),
        () = shared.clock.sleep(limit.since(shared.clock.monotonic())) => given_up(push),
    }
}

fn panicked(push: &Push) -> Attempt {
    let platform = push.target.address.platform().as_str();
    let notification = push.notification;
    tracing::error!(platform, %notification, "a provider's client panicked; the attempt counts as failed");
    Attempt::plain(Outcome::Later { not_before: None }, Some(Code::INTERNAL))
}

fn given_up(push: &Push) -> Attempt {
    let platform = push.target.address.platform();
    let notification = push.notification;
    tracing::warn!(platform = platform.as_str(), %notification, "an attempt took too long and is given up");
    if platform == Platform::Stream {
        Attempt::plain(Outcome::Unacknowledged, None)
    } else {
        Attempt::plain(Outcome::Later { not_before: None }, Some(Code::INTERNAL))
    }
}
